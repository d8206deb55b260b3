"""SimpleITK in a process of its own: a damaged file may crash it, and then costs one study instead of the import.

The child reads one path a line and answers with a line of JSON, after it the voxels' bytes. It lives until its parent
closes the pipe, so that its start (half a second) is paid once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.volumes.geometry import CaseFault
from benchmark_medical.importing.damage import reason, shown


class Reader:
    """Reads images through a child process, which is started when it is first needed, and anew after a crash."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def read(self, path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Voxels ``(x, y, z)`` and the affine to LPS, in the file's unit of length.

        Raises:
            CaseFault: the file cannot be read, or its reader crashed.
        """
        child = self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps(str(path.absolute())).encode() + b"\n")
            child.stdin.flush()
            answer = json.loads(child.stdout.readline() or b"null")
            if isinstance(answer, dict) and "fault" not in answer:
                shape, dtype = tuple(answer["shape"]), np.dtype(answer["dtype"])
                values = np.empty(shape, dtype)
                into = values.reshape(-1).view(np.uint8).data
                while into:
                    taken = child.stdout.readinto(into)  # type: ignore[attr-defined]
                    if not taken:
                        raise EOFError
                    into = into[taken:]
        except (OSError, EOFError, ValueError):
            answer = None
        except BaseException:
            self.close()  # half an answer may be left in the pipe
            raise
        if answer is None:
            code = self.close()
            why = f"signal {-code}" if code < 0 else f"exit {code}"
            raise CaseFault(f"{shown(path)}: cannot be read, truncated or damaged (its reader crashed: {why})")
        if "fault" in answer:
            raise CaseFault(f"{shown(path)}: {answer['fault']}")
        return values.transpose(2, 1, 0), np.array(answer["affine"])

    def close(self) -> int:
        """End the child; its exit code."""
        child, self._child = self._child, None
        if child is None:
            return 0
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            return child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is the parent's to answer, which closes the pipe
            )
        return self._child


READER = Reader()
"""The one child of this process."""


def main() -> None:
    """Answer until there are no more questions."""
    # what C++ prints must not come between the answers
    answers: IO[bytes] = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin.buffer:
        try:
            answer, values = _image(Path(json.loads(line)))
        except CaseFault as fault:
            answer, values = {"fault": str(fault)}, None
        except Exception as error:  # whatever a damaged file makes the reader raise
            answer, values = {"fault": reason(error)}, None
        answers.write(json.dumps(answer).encode() + b"\n")
        if values is not None:
            answers.write(values.reshape(-1).view(np.uint8).data)
        answers.flush()


def _image(path: Path) -> tuple[dict[str, Any], NDArray[Any]]:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1 or reader.GetDimension() != 3:
        raise CaseFault(
            f"{reader.GetDimension()} axes and {reader.GetNumberOfComponents()} values a voxel; "
            "a volume has three axes and one value"
        )
    image = reader.Execute()
    values = np.ascontiguousarray(SimpleITK.GetArrayFromImage(image))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return {"shape": values.shape, "dtype": values.dtype.str, "affine": affine.tolist()}, values


if __name__ == "__main__":
    main()
