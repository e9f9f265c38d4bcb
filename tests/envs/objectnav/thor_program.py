"""A program that AI2-THOR's client takes for a build of it: our Controller behind the client's pipes.

What it speaks is what `ai2thor.fifo_server` of ai2thor 5.0.0 reads and writes: messages of (kind, length, body), the
pipes' paths in the environment.
"""

import json
import os
import struct

import msgpack
import numpy as np

from foveal.envs.objectnav.thor.controller import Controller

METADATA, RGB, DEPTH, CLASSES, IDS, END = 1, 4, 5, 8, 9, 255


class Program:
    def __init__(self):
        self.controller, self.scene, self.size = Controller(scene="FloorPlan301", width=8, height=8), "FloorPlan301", {}

    def run(self):
        environment = {name: os.environ[f"AI2THOR_FIFO_{name}_PIPE_PATH"] for name in ("SERVER", "CLIENT")}
        with open(environment["SERVER"], "wb") as self.out:
            self.tell(0)
            with open(environment["CLIENT"], "rb") as told:
                while header := told.read(5):
                    kind, length = struct.unpack("!BI", header)
                    if kind != END:
                        self.do(json.loads(told.read(length)))

    def do(self, call):
        number, name = call.pop("sequenceId"), call["action"]
        extra = {}
        try:
            if name == "Reset":
                self.scene = call["sceneName"]
            elif name == "ChangeResolution":
                self.size = {"width": call["x"], "height": call["y"]}
                self.controller.reset(**self.size)
            elif name == "GetScenesInBuild":
                extra = {"actionReturn": [*self.controller.scene_names(), "Procedural"]}
            elif name == "Initialize":
                scene = self.controller.scene if self.scene == "Procedural" else self.scene
                self.controller.reset(scene, **(self.size | {k: v for k, v in call.items() if k != "action"}))
            elif name == "CreateHouse":
                self.controller.reset(call["house"])
            else:
                self.controller.step(call)
        except ValueError:
            pass  # as the event tells
        self.tell(number, **extra)

    def tell(self, number, **extra):
        event = self.controller.last_event
        agent = {**event.metadata, "depthFormat": "Meters", **extra}
        whole = {"agents": [agent], "thirdPartyCameras": [], "activeAgentId": 0, "sequenceId": number}
        self.send(METADATA, msgpack.packb(whole))
        for kind, image in (
            (RGB, event.frame),
            (DEPTH, event.depth_frame),
            (IDS, event.instance_segmentation_frame),
            (CLASSES, event.semantic_segmentation_frame),
        ):
            if image is not None:
                if kind in (IDS, CLASSES):
                    image = np.concatenate([image, np.full((*image.shape[:2], 1), 255, np.uint8)], 2)
                self.send(kind, np.ascontiguousarray(image[::-1]).tobytes())
        self.send(END, b"")
        self.out.flush()

    def send(self, kind, body):
        self.out.write(struct.pack("!BI", kind, len(body)) + body)


if __name__ == "__main__":
    Program().run()
