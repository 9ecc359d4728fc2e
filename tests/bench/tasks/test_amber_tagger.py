from groundtune.bench.tasks.amber.tagger import TagTable, alike, features, tag_table, tags_of

SMALL = TagTable(
    known={"a": "DT", "runs": "VBZ"},
    weights={
        "w dog": {"NN": 2},
        "t DT": {"JJ": 1},
        "t+w DT dog": {"JJ": 2},
        "tt JJ": {"RB": 1},
        "end gs": {"NNS": 5},
        "n runs": {"VB": 1, "RB": 1},
    },
)


def test_each_tag_is_the_highest_sum_of_weights() -> None:
    # "dog" alone: NN 2. After "a": JJ 1 + 2 against NN 2. "x": nothing known says noun.
    assert tags_of(["dog", "x"], SMALL) == ["NN", "NN"]
    assert tags_of(["a", "dog"], SMALL) == ["DT", "JJ"]
    assert tags_of(["gs"], SMALL) == ["NNS"]


def test_a_tag_counts_for_the_two_words_behind_it() -> None:
    # The JJ that "dog" was given wrongly makes the second word behind an RB.
    assert tags_of(["a", "dog", "runs", "y"], SMALL) == ["DT", "JJ", "VBZ", "RB"]
    assert tags_of(["dog", "runs", "y"], SMALL) == ["NN", "VBZ", "NN"]


def test_of_equal_sums_the_last_tag_by_name_wins() -> None:
    assert tags_of(["y", "runs"], SMALL) == ["VB", "VBZ"]


def test_numbers_and_compounds_look_alike_to_their_neighbours() -> None:
    said = ["1999", "7", "3rd", "well-lit", "-x", "-", "Dog", "12345"]
    assert [alike(token) for token in said] == [
        "!year",
        "!number",
        "!number",
        "!compound",
        "-x",
        "-",
        "dog",
        "!number",
    ]


def test_every_feature_that_has_weights_is_one_that_is_looked_at() -> None:
    table = tag_table()
    kinds = {name.partition(" ")[0] for name in features("Dog", ["a"] * 5, "DT", "JJ")}
    assert len(kinds) == 14
    assert {name.partition(" ")[0] for name in table.weights} == kinds


def test_idle_words_of_captions_are_tagged_as_in_the_treebank() -> None:
    said = ["There", "are", "several", "people", "sitting", "on", "the", "couch", "."]
    assert tags_of(said, tag_table())[:6] == ["EX", "VBP", "JJ", "NNS", "VBG", "IN"]
