XXCAND
class FakeNetwork:
    """Its logits are the parameters; it remembers what it was asked."""

    asked: list[Any] = []  # noqa: RUF012

    def __init__(self, **attributes: Any) -> None:
        self.attributes = attributes

    def apply(self, variables: Any, x: Any, **arguments: Any) -> Any:
        self.asked.append(arguments)
        logits = variables["params"]["logits"]
        if not arguments:
            return logits, None
        auxiliary = variables["params"]["auxiliary"] if self.attributes["auxiliary"] else None
        return (logits, auxiliary), {"batch_stats": "moved"}


def test_loss_of_training(digits: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genotypes, "EvaluationNetwork", FakeNetwork)
    random = np.random.default_rng(0)
    params = {name: random.standard_normal((4, 10)) for name in ("logits", "auxiliary")}
    y = np.array([3, 1, 4, 1])

    def entropy(logits: np.ndarray) -> float:
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[range(4), y]))

    common = (params, "before", jnp.zeros((4, 8, 8, 3)), jnp.asarray(y), jax.random.key(0))
    for weight in (0.0, 0.4):
        chosen = training.DartsSettings(auxiliary_weight=weight)
        (candidate,) = genotypes.genotype_candidates([LITTLE], digits, chosen)
        for done in (0.0, 0.25, 0.5):
            loss, (logits, stats) = candidate.loss(*common, jnp.asarray(done))
            wanted = entropy(params["logits"]) + weight * entropy(params["auxiliary"])
            np.testing.assert_allclose(loss, wanted, rtol=1e-5)
            np.testing.assert_array_equal(logits, params["logits"])
            assert stats == "moved"
            asked = FakeNetwork.asked[-1]
            assert asked["train"] is True
            np.testing.assert_allclose(asked["drop_path"], 0.2 * done, rtol=1e-6)
        np.testing.assert_array_equal(candidate.logits(*common[:3]), params["logits"])
    (candidate,) = genotypes.genotype_candidates(
        [LITTLE], digits, training.DartsSettings(drop_path=0)
    )
    candidate.loss(*common, jnp.asarray(0.5))
    assert type(FakeNetwork.asked[-1]["drop_path"]) is float
def test_names_of_genotypes() -> None:
    assert name_of(darts.DARTS_V2) == "darts-v2"
    assert name_of(dataclasses.replace(darts.DARTS_V2)) == "darts-v2"
    others = [dataclasses.replace(darts.DARTS_V2, normal_concat=nodes) for nodes in ((2,), (3,))]
    assert len({name_of(other) for other in others}) == 2
    assert name_of(others[0]).startswith("genotype-")
# The options.


def test_options_are_the_fields_of_the_settings() -> None:
    assert {name[2:].replace("-", "_") for name, *_ in options.FIELDS} == {
        field.name
        for kind in (training.Settings, training.DartsSettings)
        for field in dataclasses.fields(kind)
    } - {"nesterov", "init"}
    for name, _, cells, genotype, _ in options.FIELDS:
        field = name[2:].replace("-", "_")
        assert getattr(training.Settings(), field, None) == cells
        assert getattr(training.DartsSettings(), field, None) == genotype
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--genotype", "darts-v1", "--cells", "4"], ["either"]),
        (["--genotype", "darts-v9"], ["darts-v1", "@FILE"]),
        (["--genotype", "@none.json"], ["none.json"]),
        (["--genotype", "darts-v1", "--cells-per-stage", "1"], ["--cells-per-stage is", "cells"]),
        (["--cells", "4", "--layers", "8"], ["--layers is", "genotypes"]),
        (["--cells", "4", "--drop-path", "0"], ["--drop-path is", "genotypes"]),
        (["--genotype", "darts-v1"], ["auxiliary head", "32 to 40", "have 8"]),
        (["--genotype", "darts-v1", "--layers", "2"], ["layers", "3"]),
        (["--genotype", "darts-v1", "--channels", "3"], ["channels", "even"]),
        (["--genotype", "darts-v1", "--drop-path", "1"], ["drop_path", "below 1"]),
        (["--genotype", "darts-v1", "--gradient-clip", "-1"], ["gradient_clip"]),
        (["--genotype", "darts-v1", "--auxiliary-weight", "0", "--batch-size", "101"], ["101"]),
    ],
)
def test_refused_in_one_line(
    call: Callable[..., Any], arguments: list[str], words: list[str]
) -> None:
    np.savez("x.npz", **little_digits(100, 20))
    status, out, err = call("train", "--dataset", "x.npz", "--out", "run", "--no-cache", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("jaxnas: error: ")
    for word in words:
        assert word in err
    assert [path.name for path in Path().iterdir()] == ["x.npz"]
# Whole runs.


def newest(out: Path) -> tuple[int, Any]:
    (folder,) = (out / "candidates").glob("*/checkpoints")
    with ocp.CheckpointManager(folder.resolve()) as manager:
        step = manager.latest_step()
        assert step is not None
        restored = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore()))
    return step, jax.tree.map(np.asarray, restored.state)


def test_command_and_a_run_that_was_stopped_end_with_the_same_weights(
    call: Callable[..., Any],
) -> None:
    np.savez("x.npz", **little_digits())
    Path("found.json").write_text(json.dumps({"genotype": dataclasses.asdict(LITTLE)}))
    asked = [
        word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    status, out, err = call(
        "train", "--genotype", "@found.json", "--dataset", "x.npz", "--out", "whole", "--no-cache",
        *("--devices", 1), *asked,
    )  # fmt: skip
    assert status == 0, err
    assert "training 1 candidate for 2 epochs" in err
    name = name_of(LITTLE)
    assert name in out
    (row,) = pq.read_table("whole/accuracies.parquet").to_pylist()
    counted = darts.count(LITTLE, 10, TINY["channels"], TINY["layers"], 8)
    assert (row["name"], row["cell"], row["arch"]) == (name, None, str(LITTLE))
    assert (row["status"], row["params"]) == ("ok", counted.params)
    assert f"{row['test']:.2f}" in out
    curve = pq.read_table("whole/curves.parquet").to_pylist()
    assert [epoch["valid_accuracy"] for epoch in curve] == [None, None]
    assert Path("whole/curves.png").read_bytes().startswith(b"\x89PNG")

    def stop(job: Any, epoch: int, *_: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    common: Any = {"dataset": "x.npz", "out": "stopped", "devices": jax.devices()[:1], **TINY}
    with pytest.raises(KeyboardInterrupt):
        training.train_genotypes(LITTLE, progress=stop, **common)
    assert newest(Path("stopped"))[0] == 1
    (trained,) = training.train_genotypes(str(LITTLE), **common)
    assert trained.test == row["test"]
    (epochs, wanted), (again, found) = newest(Path("whole")), newest(Path("stopped"))
    assert epochs == again == 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(wanted))
    jax.tree.map(np.testing.assert_array_equal, found, wanted)
