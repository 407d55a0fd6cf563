"""The page's components and their handlers: upload a video, follow the progress, choose a face.

A visitor is a browser tab; it has one job at a time, found by gradio's session hash.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import gradio as gr

from lip2speech.inference.consent_statement import STATEMENT
from lip2speech.inference.synthesis_options import NONE, READ
from lip2speech.web import render
from lip2speech.web.jobs import Dropped, Job
from lip2speech.web.worker import Worker
from vsr.core.errors import VsrError

EXAMPLE = Path(__file__).parent / "static" / "example.mp4"
SAID = {"the lips alone": NONE, "the words read from the lips": READ, "words that I type": None}
MAX_TEXT = 500  # letters
PICK = """element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-face]');
  if (!button) return;
  trigger('click', { face: Number(button.dataset.face) });
  element.dataset.chosen = 'yes';
});
watch('value', () => {  // the buttons are made again: the keyboard stays on the one that was pressed
  if (element.dataset.chosen) element.querySelector('[aria-pressed="true"]')?.focus();
  delete element.dataset.chosen;
});"""


def build_page(worker: Worker) -> gr.Blocks:
    """The page, ready to be mounted."""
    with gr.Blocks(title="lip2speech", analytics_enabled=False, fill_width=True) as blocks:
        Page(worker).lay_out(blocks)
    blocks.queue(default_concurrency_limit=None)  # the worker has its own queue, which reports positions
    return blocks


class Page:
    """The components and their handlers."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self.visits: dict[str, Job] = {}

    def lay_out(self, blocks: gr.Blocks) -> None:
        """Create the components and connect them."""
        panel(render.welcome(self.worker.limits, self.worker.is_shipped))
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=2, min_width=300, elem_classes="given"):
                self.inputs()
            with gr.Column(scale=5, min_width=320, elem_classes="result"):
                self.outputs()
        self.inspection = panel()
        self.connect(blocks)

    def inputs(self) -> None:
        """Create the input components."""
        # With include_audio gradio leaves the file as it is; removing the sound would need ffmpeg.
        self.video = gr.Video(
            label="A video of a talking face", sources=["upload", "webcam"], include_audio=True, height=320,
            webcam_options=gr.WebcamOptions(mirror=False), elem_id="video", buttons=[],
        )  # fmt: skip
        self.go = gr.Button("Read the lips", variant="primary", elem_id="go")
        self.example = gr.Button("Try the example clip", elem_id="example")
        with gr.Accordion("Speak in another voice", open=False):
            self.reference = gr.Audio(
                label="A few seconds of that voice", sources=["upload", "microphone"], type="filepath", buttons=[]
            )
            gr.Markdown(f"Whoever gives one says: {STATEMENT}", elem_id="consent")
        with gr.Accordion("Say what is said", open=False):
            default = next(name for name, text in SAID.items() if text == self.worker.models.usual_text)
            self.said = gr.Radio(list(SAID), value=default, label="The voice is shaped by", elem_id="said")
            self.typed = gr.Textbox(label="The words", placeholder="bin blue at f two now", max_length=MAX_TEXT)

    def outputs(self) -> None:
        """Create the output components."""
        self.status = panel(render.empty())
        self.faces = panel(js_on_load=PICK)
        with gr.Row(elem_classes="players"):
            self.watch, self.voiced = panel(), panel()
        self.words, self.files = panel(), panel()
        self.how = gr.Button("Show how it was read", visible=False, elem_id="how")

    def connect(self, blocks: gr.Blocks) -> None:
        """Connect events to handlers."""
        panels = [self.status, self.faces, self.watch, self.voiced, self.words, self.files, self.inspection, self.how]
        files, quiet = [self.video, self.reference], {"show_progress": "hidden"}
        inputs = [*files, self.said, self.typed]
        private = {**quiet, "api_visibility": "private"}
        self.go.click(self.read, inputs, panels, api_name="read", **quiet)
        self.example.click(lambda: str(EXAMPLE), None, self.video, **private).then(self.read, inputs, panels, **private)
        self.faces.click(self.choose, None, panels, **private)
        self.how.click(self.inspect, None, panels, **private)
        for component in files:
            component.change(self.keep, files, None, **private)
        blocks.unload(self.close)

    async def read(
        self, video: str | None, reference: str | None, said: str, typed: str, request: gr.Request
    ) -> AsyncIterator[dict]:
        """Work on a video, telling how far it is; what was there before goes."""
        await self.leave(request)
        self.keep(video, reference, request)
        view, job = View(self), None
        try:
            if video is None:
                raise VsrError("nothing_given", "Choose or record a video first.")
            job = self.visit(request, self.worker.new_job(video, reference, text_source(said, typed)))
            async with aclosing(self.worker.process(job)) as work:
                async for ahead in work:
                    yield view.update(job, render.progress(job, ahead))
            yield view.update(job, "")
        except Dropped:
            return
        except VsrError as error:
            yield view.clear(render.problem(error.reason, error.message))
        except Exception:
            # The last resort of a server: unexpected errors go to its log, not to the visitor.
            logging.getLogger(__name__).exception("a clip could not be worked on")
            yield view.clear(render.problem("internal", "Something went wrong on the server; its log says what."))
        if job is not None and job.stage != "done":
            await self.leave(request)

    def visit(self, request: gr.Request, job: Job) -> Job:
        """Record the job of a visitor, and forget jobs whose folder has been removed."""
        self.visits = {session: old for session, old in self.visits.items() if old.folder.is_dir()}
        self.visits[request.session_hash] = job
        return job

    async def choose(self, event: gr.EventData, request: gr.Request) -> dict:
        """Show another face."""
        job = self.visits.get(request.session_hash)
        view = View(self)
        if job is None or not 0 <= event.face < len(job.faces):
            return view.clear(render.problem("removed", REMOVED))
        job.selected = event.face
        return view.update(job, None)

    async def inspect(self, request: gr.Request) -> AsyncIterator[dict]:
        """Show how the chosen face was read."""
        job = self.visits.get(request.session_hash)
        view = View(self)
        try:
            if job is None or not job.source.is_file():
                raise VsrError("removed", REMOVED)
            number = job.selected
            async with aclosing(self.worker.inspect(job, number)) as work:
                async for ahead in work:
                    yield {self.status: view.html(render.progress(job, ahead))}
            yield {self.status: view.html(""), self.inspection: view.html(render.inspection(number, job.token))}
        except Dropped:
            return
        except VsrError as error:
            yield {self.status: view.html(render.problem(error.reason, error.message))}

    def keep(self, video: str | None, reference: str | None, request: gr.Request) -> None:
        """Keep the visitor's uploads while the page shows them."""
        self.worker.record_uploads(request.session_hash, video, reference)

    async def close(self, request: gr.Request) -> None:
        """Clean up after a visitor who has left."""
        self.worker.record_uploads(request.session_hash)
        await self.leave(request)

    async def leave(self, request: gr.Request) -> None:
        """Stop the visitor's job and remove its results, when the visitor leaves or starts another one."""
        job = self.visits.pop(request.session_hash, None)
        if job is not None:
            self.worker.drop(job)


def text_source(choice: str, typed: str) -> str:
    """The ``text`` of a job from the chosen option and the typed words. Raises VsrError bad_text."""
    chosen = SAID[choice]
    if chosen is not None:
        return chosen
    words = " ".join((typed or "").lower().split())
    if not words:
        raise VsrError("bad_text", "Type the words that are said, or choose another way.")
    return words


def panel(text: str = "", **settings) -> gr.HTML:
    """An HTML component in our own style; hidden while empty."""
    return gr.HTML(text, visible=bool(text), apply_default_css=False, elem_classes="panel", **settings)


REMOVED = "This result has been removed. Please give the video once more."


class View:
    """Turns a job into updates of the panels. Unchanged panels are not updated, so that a video keeps playing."""

    def __init__(self, page: Page):
        self._page = page
        self._last: dict[Any, str] = {}  # gradio panel -> its HTML

    @staticmethod
    def html(text: str) -> dict:
        """An update of one panel, which is hidden if empty."""
        return gr.update(value=text, visible=bool(text))

    def update(self, job: Job, status: str | None) -> dict:
        """Updates of all panels for the chosen face of a job; ``status`` None: unchanged."""
        page, number, contents = self._page, job.selected, {}
        if status is not None:
            contents[page.status] = status
        ready = number < len(job.faces)
        contents |= {
            page.faces: render.faces(job, number) if ready else "",
            page.watch: render.watch(job, number) if ready else "",
            page.voiced: render.voiced(job, number) if ready else "",
            page.words: render.words(job, number) if ready else "",
            page.files: render.files(job, number) if ready else "",
            page.inspection: "",
        }
        changes = {panel: self.html(text) for panel, text in contents.items() if self._last.get(panel) != text}
        self._last |= contents
        return {**changes, page.how: gr.update(visible=job.stage == "done")}

    def clear(self, status: str) -> dict:
        """Updates that show a status and hide all other panels."""
        page = self._page
        panels = (page.faces, page.watch, page.voiced, page.words, page.files, page.inspection)
        hidden = dict.fromkeys(panels, self.html(""))
        return {**hidden, page.status: self.html(status), page.how: gr.update(visible=False)}
