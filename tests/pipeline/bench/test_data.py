"""Benchmarks' own data: from their place into the cache, and from there to the scorers."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from file_server import Server, serving
from groundtune.bench.benchmark import Benchmark
from groundtune.bench.files.published import OfficialData, PublishedFile, Publisher
from groundtune.bench.files.revisions import KNOWN
from groundtune.bench.files.sources import OFFICIAL
from groundtune.bench.registry import TARGETS, load, load_all
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.cli.progress import open_progress
from groundtune.errors import UserError
from groundtune.pipeline.bench import data as bench_data
from groundtune.pipeline.bench.data import FetchedData, fetch_data, with_official
from groundtune.pipeline.bench.data_paths import data_paths, paths_with_official

ALL = [(name, data) for name, data in OFFICIAL.items() if data.sets]
WEB = Publisher("web", "https://nowhere.invalid")
ROWS = [
    {
        "question_id": i,
        "image": f"{i}.jpg",
        "text": f"Is there a {i}?",
        "label": ("yes", "no")[i % 2],
    }
    for i in range(6)
]
QUESTIONS = "\n".join(map(json.dumps, ROWS)).encode()


def published(name: str, body: bytes, *, member: str = "") -> PublishedFile:
    return WEB.file(name, hashlib.sha256(body).hexdigest(), size=len(body), member=member)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "groundtune" / "bench"


@pytest.fixture
def server() -> Iterator[Server]:
    files = {"/pope/own/pope_random.json": QUESTIONS, "/pope/more/pope_more.json": QUESTIONS}
    with serving(files) as made:
        yield made


@pytest.fixture
def pope(cache: Path, monkeypatch: pytest.MonkeyPatch) -> OfficialData:
    """As if six questions were what POPE's authors had published."""
    sets = {
        "own": (published("a/pope_random.json", QUESTIONS),),
        "more": (published("b/pope_more.json", QUESTIONS),),
    }
    data = OfficialData(sets=sets, licence="none", by_hand="images")
    monkeypatch.setitem(OFFICIAL, "pope", data)
    return data


def fetch(name: str, server: Server, out: Path | None = None) -> FetchedData:
    with open_progress(silent=True) as progress:
        return fetch_data(name, progress, out=out, mirror=server.url)


def test_every_benchmark_has_a_place_or_says_what_to_do_by_hand():
    assert set(OFFICIAL) == {name for name in TARGETS if load(name).read_data is not None}
    for name, data in OFFICIAL.items():
        assert data.sets or data.by_hand, name
        assert data.licence or not data.sets, name


@pytest.mark.parametrize(("name", "data"), ALL, ids=[name for name, _ in ALL])
def test_places_are_pinned_and_can_be_checked(name: str, data: OfficialData):
    for chosen, files in data.sets.items():
        assert len({file.name for file in files}) == len(files), chosen
        for file in files:
            assert file.address.startswith("https://")
            assert urlsplit(file.address).path.endswith(f"/{file.name}")
            assert len(file.place.revision) == 40 or file.place.host == "web"
            assert len(bytes.fromhex(file.sha256)) == 32
            assert KNOWN[file.sha256].name == file.name


@pytest.mark.parametrize(("name", "data"), ALL, ids=[name for name, _ in ALL])
def test_the_readers_take_the_files_that_the_places_have(
    name: str, data: OfficialData, cache: Path, test_data: Path
):
    there = {path.name: path for path in test_data.rglob("*") if path.is_file()}
    for chosen, files in data.sets.items():
        if not all(file.name in there for file in files):
            continue
        folder = cache / name / chosen
        folder.mkdir(parents=True)
        for file in files:
            shutil.copy(there[file.name], folder / file.name)
        with open_progress(silent=True) as progress:
            made = fetch_data(f"{name}:{chosen}" if chosen else name, progress)
        assert made.fetched == 0
        assert load(name).read_data(made.files)
        return
    pytest.skip(f"the files of {name} are not in GROUNDTUNE_TEST_DATA")


def test_a_set_is_fetched_once_into_the_cache(pope: OfficialData, server: Server, cache: Path):
    made = fetch("pope", server)
    assert made.files == (cache / "pope" / "own" / "pope_random.json",)
    assert made.files[0].read_bytes() == QUESTIONS
    assert made.fetched == 1
    assert fetch("POPE:own", server).fetched == 0
    assert fetch("pope:more", server).folder == cache / "pope" / "more"
    assert [each.path for each in server.asked] == list(server.files)


def test_a_file_of_the_cache_that_was_changed_is_fetched_again(
    pope: OfficialData, server: Server, cache: Path
):
    (path,) = fetch("pope", server).files
    path.write_bytes(QUESTIONS[:-1])
    assert fetch("pope", server).fetched == 1
    assert path.read_bytes() == QUESTIONS


def test_a_file_of_ones_own_folder_is_never_overwritten(
    pope: OfficialData, server: Server, tmp_path: Path
):
    (tmp_path / "pope_random.json").write_text("mine")
    with pytest.raises(UserError, match="another file of this name"):
        fetch("pope", server, tmp_path)
    assert (tmp_path / "pope_random.json").read_text() == "mine"
    made = fetch("pope", server, tmp_path / "new")
    assert made.files == (tmp_path / "new" / "pope_random.json",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shr", r"can't be fetched(.|\n)*juliozhao/SHR"),
        ("pope:seem", r"pope has no set 'seem'(.|\n)*pope:own, pope:more"),
        ("amber:own", "amber has no set 'own'"),
        ("nope", "no benchmark 'nope'"),
        ("world-captions", "world-captions has no data in files"),
    ],
)
def test_what_has_no_place_is_the_users_error(
    name: str, message: str, pope: OfficialData, server: Server
):
    with pytest.raises(UserError, match=message):
        fetch(name, server)
    assert server.asked == []


@pytest.mark.parametrize("mirror", ["ftp://a", "a", "http://", "http://a:b"])
def test_a_mirror_that_is_no_address_is_the_users_error(mirror: str, pope: OfficialData):
    with open_progress(silent=True) as progress, pytest.raises(UserError, match="mirror"):
        fetch_data("pope", progress, mirror=mirror)


def test_a_place_without_https_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch):
    file = Publisher("web", "http://127.0.0.1:9").file("a.json", "0" * 64)
    monkeypatch.setitem(OFFICIAL, "pope", OfficialData(sets={"": (file,)}))
    with open_progress(silent=True) as progress, pytest.raises(UserError, match="not https"):
        fetch_data("pope", progress)


def test_the_member_of_an_archive_is_unpacked_and_checked(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/pope_random.json", QUESTIONS)
        archive.writestr("../escaped.json", b"{}")
    server.files["/pope/p.zip"] = body = packed.getvalue()
    file = published("p.zip", body, member="inner/pope_random.json")
    monkeypatch.setitem(OFFICIAL, "pope", OfficialData(sets={"": (file,)}))
    (path,) = fetch("pope", server).files
    assert path == cache / "pope" / "pope_random.json"
    assert path.read_bytes() == QUESTIONS
    path.write_bytes(QUESTIONS[:-1] + b"x")
    assert fetch("pope", server).fetched == 0
    assert path.read_bytes() == QUESTIONS
    names = {each.name for each in path.parent.iterdir() if not each.name.startswith(".")}
    assert names == {"p.zip", "pope_random.json"}
    other = published("p.zip", body, member="gone.json")
    monkeypatch.setitem(OFFICIAL, "pope", OfficialData(sets={"": (other,)}))
    with pytest.raises(UserError, match=r"no gone\.json"):
        fetch("pope", server)


def test_the_word_official_stands_for_the_files(
    pope: OfficialData, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (own,) = fetch("pope", server).files
    (more,) = fetch("pope:more", server).files
    words = [Path("x.json"), Path("official"), Path("official:more"), Path("officially")]
    with open_progress(silent=True) as progress:
        found = with_official("pope", words, progress)
        assert found == (Path("x.json"), own, more, Path("officially"))
        told = data_paths(["pope=official", "mme=there"], [])
        told = paths_with_official(load_all(["Pope", "world"]), told, progress)
        assert told.paths("pope") == (own,)
        assert told.paths("mme") == (Path("there"),)
        told = paths_with_official(load_all(["pope"]), data_paths(["official:more"], []), progress)
        assert told.paths("pope") == (more,)
        monkeypatch.chdir(tmp_path)
        Path("official").mkdir()
        assert with_official("pope", [Path("official")], progress) == (Path("official"),)


def test_a_third_partys_benchmark_names_its_own_place(cache: Path):
    mine = OfficialData(sets={"": (published("a.json", b"x"),)})
    theirs: Benchmark[object] = load("pope")
    assert bench_data.official_data(theirs) is OFFICIAL["pope"]
    made = Benchmark(
        **{name: getattr(theirs, name) for name in Benchmark.__slots__} | {"official": mine}
    )
    assert bench_data.official_data(made) is mine


def test_data_are_fetched_and_answers_scored_with_them(
    pope: OfficialData,
    server: Server,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    answers = tmp_path / "answers.jsonl"
    said = [{"question": row["text"], "answer": row["label"]} for row in ROWS]
    answers.write_text("\n".join(map(json.dumps, said)))
    command = ["bench", "data", "pope", "--mirror", server.url]
    assert run([*command, "--json"]) == EXIT_DONE
    told = json.loads(capsys.readouterr().out)
    assert told["wrote"] == str(cache / "pope" / "own")
    assert told["fetched"] == 1
    assert told["files"][0]["sha256"] == hashlib.sha256(QUESTIONS).hexdigest()
    assert told["set"] == "own"
    assert run([*command, "--out", str(tmp_path / "my data")]) == EXIT_DONE
    text = capsys.readouterr().out
    assert f"--data '{tmp_path / 'my data'}'" in text
    assert "licence" in text
    assert "images" in text
    score = ["bench", "score", "pope", str(answers), "--json", "--data", "official"]
    assert run(score) == EXIT_DONE
    made = json.loads(capsys.readouterr().out)
    assert made["metrics"]["accuracy"] == 1.0
    assert made["data"][0]["path"] == str(cache / "pope" / "own" / "pope_random.json")


def test_a_file_that_is_another_ends_the_command_with_three_lines(
    pope: OfficialData, server: Server, cache: Path, capsys: pytest.CaptureFixture[str]
):
    server.files["/pope/own/pope_random.json"] = b"x" + QUESTIONS[1:]
    assert run(["bench", "data", "pope", "--mirror", server.url]) == EXIT_INPUT
    error = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in error if not line.startswith("fetch ")]) == 3
    assert [path.name for path in (cache / "pope" / "own").iterdir()] == [".fetch.lock"]


def test_the_list_says_what_can_be_fetched(capsys: pytest.CaptureFixture[str]):
    assert run(["bench", "list"]) == EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    told = {line.split()[0]: line for line in lines}
    assert told["amber"].endswith("; data: official, 5 files, 3.7 MB")
    assert told["vqav2"].endswith("; data: official, 2 files")
    assert told["shr"].endswith("; data: by hand")
    assert run(["bench", "list", "--json"]) == EXIT_DONE
    found = json.loads(capsys.readouterr().out)["benchmarks"]
    assert len(found["pope"]["data"]["sets"]["gqa"]) == 3
    assert found["shr"]["data"]["sets"] == {}
    assert "data" not in found["world-captions"]
