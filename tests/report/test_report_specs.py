from groundtune.report.specs import benchmark_spec


def test_benchmarks_have_labels_and_protocols_to_print() -> None:
    spec = benchmark_spec("world-questions/adversarial/t1")
    assert spec.label == "Is it there? (adversarial absent objects), temperature 1"
    assert spec.protocol["decoding"] == "temperature 1, at most 24 tokens"
    assert benchmark_spec("world-captions/greedy").label == "Captions, greedy"
    assert (
        benchmark_spec("world-self-knowledge/greedy").label
        == "What it knows of what it says, greedy"
    )
    assert (
        benchmark_spec("pope:strict/random/greedy").label
        == "POPE, random absent objects (strict), greedy"
    )


def test_parts_leave_the_protocol_to_their_total() -> None:
    assert benchmark_spec("pope:strict/random/greedy").protocol == {}
    assert "rules" in benchmark_spec("pope:strict/greedy").protocol
