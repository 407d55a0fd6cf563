"""What is tested on was never trained on: lists share no id and no moment of a video file."""

from types import SimpleNamespace

import pytest

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.data.splits import check_disjoint, read_lists
from vsr.training.unlabelled import unlabelled_clips


def clips(name, *parts):
    return [Clip(f"{name}{k}", str(video), "a", start=start, end=end) for k, (video, start, end) in enumerate(parts)]


def test_same_video_under_another_id_is_the_same_clip(tmp_path):
    video = tmp_path / "v.mp4"
    video.touch()
    (tmp_path / "link.mp4").symlink_to(video)
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in (video, tmp_path / "x" / ".." / "v.mp4", tmp_path / "link.mp4", tmp_path / "folder" / "v.mp4"):
        (tmp_path / "x").mkdir(exist_ok=True)
        for lists in (([video], [name], []), ([video], [], [name]), ([], [video], [name])):
            splits = [
                clips(key, *((video, 0, 0) for video in videos)) for key, videos in zip("abc", lists, strict=True)
            ]
            with pytest.raises(VsrError, match="share 1 videos under other ids, such as .*v.mp4"):
                check_disjoint(*splits)


@pytest.mark.parametrize("first, second, shared", [
    ((0, 0), (5, 6), True), ((0, 4), (3, 6), True), ((2, 3), (0, 9), True),
    ((0, 4), (4, 8), False), ((4, 0), (1, 4), False),
])  # fmt: skip
def test_parts_of_a_video_are_shared_where_they_overlap(first, second, shared):
    train, test = clips("a", ("film.mp4", *first)), clips("b", ("film.mp4", *second))
    if shared:
        with pytest.raises(VsrError, match="the train and test lists share"):
            check_disjoint(train, [], test)
    else:
        check_disjoint(train, [], test)


def test_lists_of_one_corpus_may_have_many_parts_of_their_own_videos():
    train = clips("a", *(("a.mp4", k, k + 1) for k in range(50)), ("b.mp4", 0, 0))
    check_disjoint(train, clips("b", ("c.mp4", 0, 0)), clips("c", ("a.mp4", 50, 60)))
    with pytest.raises(VsrError, match="train and test"):
        check_disjoint(train, [], clips("c", ("a.mp4", 30.5, 30.6)))


def test_manifest_that_is_named_twice_is_refused(tmp_path):
    one, other = str(tmp_path / "one.jsonl"), str(tmp_path / "other.jsonl")
    write_manifest(one, clips("a", ("a.mp4", 0, 0), ("b.mp4", 0, 0)))
    write_manifest(other, clips("b", ("c.mp4", 0, 0)))
    train, dev, tests = read_lists(SimpleNamespace(train=[one], dev=[other], tests=[]))
    assert (len(train), len(dev), len(tests)) == (2, 1, 0)
    for lists in ({"train": [one, one], "dev": [other]}, {"train": [other], "dev": [one, one]}):
        with pytest.raises(VsrError, match="hold 2 clips more than once, such as a0: name each manifest once"):
            read_lists(SimpleNamespace(**lists, tests=[]))
    with pytest.raises(VsrError, match="manifests of data.unlabelled hold 2 clips more than once"):
        unlabelled_clips(SimpleNamespace(data=SimpleNamespace(unlabelled=[one, one])), [], [], [])
