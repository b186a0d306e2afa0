"""Watches cameras the way other programs do: every frame is decoded, and every so often one is looked at.

    python watch.py opencv|supervision|openvino --model FILE --interval 10 --seconds 30 URL...

It warms up until every camera has shown a frame, then counts for --seconds and prints one line of JSON:
    {"cpu_seconds": 12.3, "wall_seconds": 30.0, "frames": 3000, "looks": 12}
CPU time is that of this process and of the processes it started. `frames` is what was decoded, where that is known.
"""

import argparse
import json
import os
import resource
import subprocess
import threading
import time

# Read when OpenCV opens a stream: as the other side does, TCP and one thread a decoder.
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp|threads;1")

WIDTH, HEIGHT = 384, 224


class Watch:
    """What the cameras' threads share."""

    def __init__(self, infer, interval):
        self.infer, self.interval = infer, interval
        self.lock = threading.Lock()
        self.frames = self.looks = 0
        self.seen, self.over = set(), False

    def frame(self, camera, count=1):
        with self.lock:
            self.frames += count
            self.seen.add(camera)

    def look(self, picture):
        with self.lock:  # One look at a time, on one thread, as on the other side.
            self.infer(picture)
            self.looks += 1


def onnx(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda picture: session.run(None, {name: picture[None]})


def openvino(model):
    import openvino as ov

    core = ov.Core()
    hints = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(model, "CPU", hints)
    return lambda picture: compiled([picture[None]])


def small(frame):
    import cv2

    return cv2.cvtColor(cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)


def by_opencv(camera, url, watch):
    """The usual loop, in its cheap form: a frame is decoded by grab() and converted only when it is looked at."""
    import cv2

    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    due = 0.0
    while not watch.over and capture.grab():
        watch.frame(camera)
        if time.monotonic() >= due:
            due = time.monotonic() + watch.interval
            ok, frame = capture.retrieve()
            if ok:
                watch.look(small(frame))
    capture.release()


def by_supervision(camera, url, watch):
    """supervision's own frame generator."""
    import supervision

    due = 0.0
    for frame in supervision.get_video_frames_generator(url):
        if watch.over:
            return
        watch.frame(camera)
        if time.monotonic() >= due:
            due = time.monotonic() + watch.interval
            watch.look(small(frame))


def by_gstreamer(camera, url, watch):
    """Decodes everything in GStreamer, then lets one frame an interval through, scales and hands it over."""
    import numpy

    line = (
        f"rtspsrc location={url} protocols=tcp latency=200 ! rtph264depay ! h264parse ! avdec_h264 max-threads=1 "
        f"! videorate drop-only=true ! video/x-raw,framerate=1/{max(1, round(watch.interval))} "
        f"! videoconvertscale ! video/x-raw,format=RGB,width={WIDTH},height={HEIGHT} ! fdsink sync=false"
    )
    player = subprocess.Popen(["gst-launch-1.0", "-q", *line.split()], stdout=subprocess.PIPE)
    watch.players.append(player)
    size = WIDTH * HEIGHT * 3
    while not watch.over:
        data = player.stdout.read(size)
        if len(data) < size:
            return
        watch.frame(camera, 0)
        watch.look(numpy.frombuffer(data, numpy.uint8).reshape(HEIGHT, WIDTH, 3))


WAYS = {
    "opencv": (by_opencv, onnx),
    "supervision": (by_supervision, onnx),
    "openvino": (by_gstreamer, openvino),
}


def cpu_of(pid):
    """CPU seconds of a running process, from /proc."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu(watch):
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + sum(cpu_of(player.pid) for player in watch.players)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=sorted(WAYS))
    parser.add_argument("--model", required=True)
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("urls", nargs="+")
    arguments = parser.parse_args()
    follow, load = WAYS[arguments.way]
    watch = Watch(load(arguments.model), arguments.interval)
    watch.players = []
    for camera, url in enumerate(arguments.urls):
        threading.Thread(target=follow, args=(camera, url, watch), daemon=True).start()
    patience = time.monotonic() + 60
    while len(watch.seen) < len(arguments.urls):
        if time.monotonic() > patience:
            raise SystemExit(f"only {len(watch.seen)} of {len(arguments.urls)} cameras were seen")
        time.sleep(0.1)
    before, began, frames, looks = cpu(watch), time.monotonic(), watch.frames, watch.looks
    time.sleep(arguments.seconds)
    result = {
        "cpu_seconds": cpu(watch) - before,
        "wall_seconds": time.monotonic() - began,
        "frames": watch.frames - frames,
        "looks": watch.looks - looks,
    }
    watch.over = True
    for player in watch.players:
        player.kill()
    print(json.dumps(result), flush=True)
    os._exit(0)


main()
