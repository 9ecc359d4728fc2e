import pytest

from groundtune.errors import UserError
from groundtune.generate.endpoint import parse_endpoint


def test_a_name_gives_model_and_servers():
    one = parse_endpoint("openai:Qwen/Qwen2.5-VL-7B@http://127.0.0.1:8000")
    assert (one.model, one.urls) == ("Qwen/Qwen2.5-VL-7B", ("http://127.0.0.1:8000/v1",))
    two = parse_endpoint("openai:m@https://a/v1/,http://b:1/openai/v1")
    assert two.urls == ("https://a/v1", "http://b:1/openai/v1")


@pytest.mark.parametrize(
    "name",
    [
        "openai:m",
        "http://a/v1",
        "openai:m@ftp://a",
        "openai:@http://a",
        "openai:m@http://",
        "openai:m@http://[::1",
        "openai:m@http://a:port/v1",
    ],
)
def test_another_spelling_of_an_endpoint_is_refused(name: str):
    with pytest.raises(UserError, match=r"can't be read|not a base URL"):
        parse_endpoint(name)


@pytest.mark.parametrize("url", ["https://me:hunter2@host/v1", "https://host/v1?key=hunter2"])
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str):
    with pytest.raises(UserError) as caught:
        parse_endpoint(f"openai:m@{url}")
    assert "hunter2" not in str(caught.value)
