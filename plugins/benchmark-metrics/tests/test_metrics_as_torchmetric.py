"""Our metrics as ``torchmetrics.Metric``: the harness's own numbers, merged, moved, copied, and refused with advice."""

from __future__ import annotations

import copy
import math
import pickle
import sys
from typing import Any

import numpy as np
import pytest
from oracles import oracle_package

import benchmark
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Images
from benchmark.errors import Unavailable, UsageError
from benchmark.registry.plugins import registry

torch = pytest.importorskip("torch")
oracle_package("torchmetrics")

CT = IntensityMap("HU", -1000.0, 1000.0)
MR = IntensityMap("a.u.", 0.0, 600.0)


@pytest.fixture
def batch() -> tuple[Any, Any, Any]:
    """Prediction, target and mask ``(6, 1, 32, 40)`` in HU."""
    rng = np.random.default_rng(0)
    target = np.clip(rng.normal(0, 300, (6, 1, 32, 40)), -900, 900).astype(np.float32)
    noise = rng.normal(0, 1, target.shape) * np.linspace(20, 120, 6)[:, None, None, None]
    mask = np.zeros(target.shape, bool)
    mask[..., 4:28, 6:32] = True
    return torch.from_numpy((target + noise).astype(np.float32)), torch.from_numpy(target), torch.from_numpy(mask)


def by_harness(name: str, profile: str, prediction: Any, target: Any, mask: Any, window: IntensityMap) -> np.ndarray:
    """What a run scores for the slices of one study."""
    from dataclasses import replace

    from benchmark.data.format.cases import Case
    from benchmark.data.format.schema import CaseKey
    from benchmark.scoring.prepare import Study, prepared

    spec = registry().profile(profile).spec
    use = next(use for use in spec.metrics if use.metric == name)
    arrays = [image.numpy()[:, 0] for image in (prediction, target, mask)]
    case = Case(CaseKey("p", "s"), arrays[1], arrays[1], arrays[2], None, (1.0, 1.0, 1.0), np.eye(4))
    only = replace(spec, metrics=(use,), primary=name, ranked_by=())
    [(_, images)] = prepared(only, Study(case, arrays[0]), (window.low, window.high), window.unit)
    assert isinstance(images, Images)
    metric_spec = registry().metric(name).spec
    metric = metric_spec.load()(**use.options)
    volume = use.dimension == "volume" and metric_spec.level == "slice"
    return np.atleast_1d(metric.score_volume(images) if volume else metric.score(images))


class TestSameNumbers:
    @pytest.mark.parametrize(
        ("name", "profile"),
        [("ssim", "default"), ("mae", "default"), ("psnr", "default"), ("uqi", "default"), ("ssim", "medgan-8bit"),
         ("rmse", "ldct-bench"), ("scc", "torchmetrics"), ("ergas", "torchmetrics")],
    )  # fmt: skip
    def test_as_a_run_scores_slices(self, batch: Any, name: str, profile: str) -> None:
        metric = benchmark.as_torchmetric(name, profile, target=CT)
        metric.update(*batch)
        assert metric.compute().item() == pytest.approx(by_harness(name, profile, *batch, CT).mean(), rel=1e-12)
        assert metric.higher_is_better is registry().metric(name).spec.higher_is_better

    @pytest.mark.parametrize(
        ("name", "profile", "window"),
        [("mae", "synthrad2023", None), ("ssim", "fastmri", None), ("sam", "torchmetrics", CT)],
    )
    def test_as_a_run_scores_studies(self, batch: Any, name: str, profile: str, window: Any) -> None:
        if profile == "fastmri":
            batch = (batch[0].abs(), batch[1].abs(), batch[2])
        metric = benchmark.as_torchmetric(name, profile, target=window)
        studies = [image.permute(1, 0, 2, 3)[None] for image in batch]
        metric.update(*studies)
        expected = by_harness(name, profile, *batch, window or CT)
        assert metric.compute().item() == pytest.approx(expected.mean(), rel=1e-12)

    def test_networks_range_is_mapped_back_to_the_unit(self, batch: Any) -> None:
        prediction, target, mask = batch
        prediction = prediction.clamp(-1000, 1000)
        physical = benchmark.as_torchmetric("mae", target=CT)
        physical.update(prediction, target, mask)
        network = benchmark.as_torchmetric("mae", target=CT, normalised=True)
        network.update(prediction / 1000, target / 1000, mask)
        assert network.compute().item() == pytest.approx(physical.compute().item(), rel=1e-6)
        with pytest.raises(ValueError, match=r"lie in \[-1, 1\], not in"):
            network.update(prediction, target, mask)

    def test_what_lies_outside_the_mask_does_not_count(self, batch: Any) -> None:
        prediction, target, mask = batch
        wild = torch.where(mask, prediction, torch.full_like(prediction, 500.0))
        values = []
        for image in (prediction, wild):
            metric = benchmark.as_torchmetric("ssim", target=CT)
            metric.update(image, target, mask)
            values.append(metric.compute().item())
        assert values[0] == values[1]


class TestAveraging:
    def test_patients_weigh_the_same_however_many_slices_they_have(self, batch: Any) -> None:
        scores = by_harness("mae", "default", *batch, CT)
        metric = benchmark.as_torchmetric("mae", target=CT, patients=3)
        metric.update(*batch, patient=torch.tensor([0, 0, 0, 0, 0, 1]))
        assert metric.compute().item() == pytest.approx((scores[:5].mean() + scores[5]) / 2, rel=1e-12)
        assert metric.patient_means().isnan().tolist() == [False, False, True]

    def test_undefined_slices_are_left_out_and_counted(self, batch: Any) -> None:
        prediction, target, mask = batch
        mask[2] = False
        metric = benchmark.as_torchmetric("mae", target=CT)
        metric.update(prediction, target, mask)
        scores = by_harness("mae", "default", *(image[[0, 1, 3, 4, 5]] for image in batch), CT)
        assert metric.compute().item() == pytest.approx(scores.mean(), rel=1e-12)
        assert metric.undefined.tolist() == [1]

    def test_nothing_scored_is_nan_and_a_perfect_patient_is_left_out(self, batch: Any) -> None:
        prediction, target, mask = batch
        metric = benchmark.as_torchmetric("psnr", target=CT, patients=2)
        metric.update(prediction, target, torch.zeros_like(mask), torch.tensor([0, 0, 0, 1, 1, 1]))
        assert math.isnan(metric.compute().item())
        prediction[0] = target[0]
        metric.update(prediction, target, mask, torch.tensor([0, 1, 1, 1, 1, 1]))
        expected = by_harness("psnr", "default", *(image[1:] for image in batch), CT).mean()
        assert metric.compute().item() == pytest.approx(expected, rel=1e-12)


class TestStates:
    def test_batches_parts_and_processes_give_the_same(self, batch: Any) -> None:
        whole, slices, first, second = (benchmark.as_torchmetric("ssim", target=CT) for _ in range(4))
        whole.update(*batch)
        for index in range(6):
            slices.update(*(image[index : index + 1] for image in batch))
        first.update(*(image[:2] for image in batch))
        second.update(*(image[2:] for image in batch))
        first.merge_state(second)
        values = [metric.compute().item() for metric in (whole, slices, first)]
        assert values == pytest.approx([values[0]] * 3, rel=1e-14)
        assert first.count.tolist() == [6]

    def test_reset_forgets(self, batch: Any) -> None:
        metric = benchmark.as_torchmetric("mae", target=CT)
        metric.update(*batch)
        before = metric.compute().item()
        metric.reset()
        assert metric.count.tolist() == metric.undefined.tolist() == [0]
        metric.update(*batch)
        assert metric.compute().item() == before

    def test_forward_gives_the_batch_and_keeps_the_whole(self, batch: Any) -> None:
        metric = benchmark.as_torchmetric("mae", target=CT)
        scores = by_harness("mae", "default", *batch, CT)
        for index in range(2):
            value = metric(*(image[index : index + 1] for image in batch))
            assert value.item() == pytest.approx(scores[index], rel=1e-12)
        assert metric.compute().item() == pytest.approx(scores[:2].mean(), rel=1e-12)

    def test_is_copied_pickled_and_collected(self, batch: Any) -> None:
        from torchmetrics import MetricCollection

        metric = benchmark.as_torchmetric("ssim", target=CT)
        metric.update(*batch)
        for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric)), metric.clone()):
            assert other.compute() == metric.compute()
        both = MetricCollection({name: benchmark.as_torchmetric(name, target=CT) for name in ("ssim", "psnr")})
        both.update(*batch)
        assert both.compute()["ssim"] == metric.compute()

    @pytest.mark.gpu
    def test_states_and_images_may_lie_on_a_gpu(self, batch: Any) -> None:
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
        here, there = (benchmark.as_torchmetric("ssim", target=CT) for _ in range(2))
        there.to("cuda")
        here.update(*batch)
        there.update(*(image.cuda() for image in batch))
        assert there.compute().device.type == "cuda"
        assert there.compute().item() == here.compute().item()

    def test_gradients_and_half_precision_are_taken_in(self, batch: Any) -> None:
        prediction, target, mask = batch
        metric = benchmark.as_torchmetric("mae", target=CT)
        metric.update(prediction.bfloat16().requires_grad_(), target, mask.float())
        assert not metric.compute().requires_grad

    def test_processes_share_their_states(self, batch: Any) -> None:
        other = benchmark.as_torchmetric("ssim", target=CT)
        other.update(*(image[1:] for image in batch))
        theirs = iter((other.total, other.count, other.undefined))
        metric = benchmark.as_torchmetric(
            "ssim",
            target=CT,
            distributed_available_fn=lambda: True,
            dist_sync_fn=lambda state, **_: [state, next(theirs)],
        )
        metric.update(*(image[:1] for image in batch))
        assert metric.compute().item() == pytest.approx(by_harness("ssim", "default", *batch, CT).mean(), rel=1e-12)
        assert metric.count.tolist() == [1]  # its own again


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"metric": "ssim"}, r"default/1 takes its range from the data set: give target=IntensityMap"),
            ({"metric": "mae", "profile": "synthrad2023", "normalised": True}, "normalised images have no unit: give"),
            ({"metric": "mae", "profile": "synthrad2023", "target": MR}, "scores targets in HU, not in a.u."),
            ({"metric": "dice", "profile": "synthrad2025-eval"}, "needs label maps of both"),
            ({"metric": "kid", "profile": "generative"}, "kid compares whole sets"),
            ({"metric": "mse", "profile": "brats-inpainting"}, "range from source images"),
            (
                {"metric": "vif-p", "profile": "fastmri"},
                "fastmri/1 has no vif-p; it has nmse, psnr, ssim, mse",
            ),
            ({"metric": "no-such"}, "no-such"),
            ({"metric": "mae", "target": CT, "patients": 0}, "patients=0: give how many"),
        ],
    )
    def test_what_cannot_be_given(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            benchmark.as_torchmetric(**arguments)

    def test_batches_that_do_not_fit(self, batch: Any) -> None:
        prediction, target, mask = batch
        metric = benchmark.as_torchmetric("mae", target=CT)
        with pytest.raises(ValueError, match=r"shape \(6, 32, 40\); expected \(N, 1, H, W\) or \(N, 1, Z, H, W\)"):
            metric.update(prediction[:, 0], target[:, 0])
        with pytest.raises(ValueError, match=r"mask has shape \(5, 1, 32, 40\), preds \(6, 1, 32, 40\)"):
            metric.update(prediction, target, mask[:5])
        with pytest.raises(ValueError, match=r"give patient to update\(\) exactly where"):
            metric.update(prediction, target, mask, torch.arange(6))
        of_volumes = benchmark.as_torchmetric("mae", "synthrad2023")
        with pytest.raises(ValueError, match=r"expected \(N, 1, Z, H, W\)"):
            of_volumes.update(prediction, target, mask)
        with pytest.raises(ValueError, match="synthrad2023/1 scores inside a body mask: give mask"):
            of_volumes.update(prediction[None, :, 0][:, None], target[None, :, 0][:, None])
        by_patient = benchmark.as_torchmetric("mae", target=CT, patients=2)
        with pytest.raises(ValueError, match=r"whole and lie in 0\.\.1"):
            by_patient.update(prediction, target, mask, torch.arange(6))

    def test_without_torchmetrics(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in [name for name in sys.modules if name.partition(".")[0] == "torchmetrics"]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.delitem(sys.modules, "benchmark.scoring.profiled_metric", raising=False)
        monkeypatch.setitem(sys.modules, "torchmetrics", None)
        with pytest.raises(Unavailable, match="as_torchmetric needs torchmetrics, which is not installed"):
            benchmark.as_torchmetric("mae", target=CT)
