"""Peer: FastAPI with 2 uvicorn processes (uvloop, httptools), orjson and onnxruntime with 1 intra-op thread.

The model runs in the event loop's own thread: with a 1 ms model and a process per core that beats a thread pool.
"""

import json
import os
import sys
from contextlib import asynccontextmanager

import numpy as np
import onnxruntime as ort
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from uvicorn.supervisors import Multiprocess

MODEL_NAME = "text-orientation"
PROCESSES = 2
URL_VARIABLE = "BENCH_URL"
HEADER_LENGTH = "inference-header-content-length"


def load_session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"])


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.session = load_session()
    # Each process says that it is up; the benchmark waits for both.
    print(json.dumps({"msg": "listening", "url": os.environ[URL_VARIABLE]}), flush=True)
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/v2/health/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/v2/models/" + MODEL_NAME + "/infer")
async def infer(request: Request) -> Response:
    body = await request.body()
    header_length = request.headers.get(HEADER_LENGTH)
    if header_length is None:
        tensor = orjson.loads(body)["inputs"][0]
        values = np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])
    else:
        offset = int(header_length)
        tensor = orjson.loads(body[:offset])["inputs"][0]
        values = np.frombuffer(body, dtype=np.float32, offset=offset).reshape(tensor["shape"])

    session = request.app.state.session
    output_name = session.get_outputs()[0].name
    (output,) = session.run([output_name], {tensor["name"]: values})

    described = {"name": output_name, "shape": output.shape, "datatype": "FP32"}
    if header_length is None:
        answer = {"model_name": MODEL_NAME, "outputs": [{**described, "data": output.ravel()}]}
        return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
    described["parameters"] = {"binary_data_size": output.nbytes}
    header = orjson.dumps({"model_name": MODEL_NAME, "outputs": [described]})
    return Response(
        header + output.tobytes(),
        media_type="application/octet-stream",
        headers={HEADER_LENGTH: str(len(header))},
    )


def main() -> None:
    config = uvicorn.Config(
        "server:app",
        host="127.0.0.1",
        port=0,
        workers=PROCESSES,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
    listener = config.bind_socket()
    os.environ[URL_VARIABLE] = "http://127.0.0.1:%d" % listener.getsockname()[1]
    Multiprocess(config, sockets=[listener]).run()


if __name__ == "__main__":
    sys.exit(main())
