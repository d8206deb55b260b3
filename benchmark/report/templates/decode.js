"use strict";
// Unpacks images: deflate, then the median edge detector (benchmark/report/pixels.py is the other half).
(() => {
  const report = (window.report = window.report || {});

  async function inflate(id) {
    const island = document.getElementById(id);
    if (!island) return null;
    const text = atob(island.textContent);
    const packed = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) packed[at] = text.charCodeAt(at);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // Levels (Z, H, W) of an image; `finer` steps a shade.
  report.image = async (id, [depth, height, width], finer) => {
    const bytes = await inflate(id);
    if (bytes === null) return null;
    const size = depth * height * width;
    const levels = new Uint16Array(size);
    const wide = finer > 1;
    const mask = wide ? 0xffff : 0xff;
    for (let at = 0, z = 0; z < depth; z++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++, at++) {
          const left = x ? levels[at - 1] : 0;
          const above = y ? levels[at - width] : 0;
          const corner = x && y ? levels[at - width - 1] : 0;
          const low = left < above ? left : above;
          const high = left < above ? above : left;
          const guess = corner >= high ? low : corner <= low ? high : left + above - corner;
          const folded = wide ? bytes[at] | (bytes[size + at] << 8) : bytes[at];
          levels[at] = (guess + (folded & 1 ? -((folded + 1) >> 1) : folded >> 1)) & mask;
        }
      }
    }
    return levels;
  };

  // The region (Z, H, W), a byte a voxel.
  report.region = async (id, [depth, height, width]) => {
    const bytes = await inflate(id);
    const size = depth * height * width;
    const inside = new Uint8Array(size);
    for (let at = 0; at < size; at++) inside[at] = (bytes[at >> 3] >> (7 - (at & 7))) & 1;
    return inside;
  };
})();
