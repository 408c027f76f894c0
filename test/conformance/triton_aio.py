"""tritonclient[http].aio, the asyncio client: python triton_aio.py http://host:port"""

import asyncio
import sys

import numpy as np
import tritonclient.http.aio as http
from checks import check, equal, expect, run
from tritonclient.utils import InferenceServerException
from values import DATATYPES, FINITE, model, same


def tensor(datatype, value, binary):
    entry = http.InferInput("x", list(value.shape), datatype)
    entry.set_data_from_numpy(value, binary_data=binary)
    return entry


def connect(url):
    return http.InferenceServerClient(url.removeprefix("http://"))


@check("server")
async def health_metadata_and_index(url):
    async with connect(url) as client:
        expect(await client.is_server_live() and await client.is_server_ready(), "not ready")
        expect((await client.get_server_metadata())["name"], "no name")
        expect(await client.is_model_ready("identity_fp32"), "model is not ready")
        expect(not await client.is_model_ready("nothing"), "an unknown model is ready")
        equal((await client.get_model_metadata("identity_fp32"))["name"], "identity_fp32", "metadata")
        equal((await client.get_model_config("identity_fp32"))["name"], "identity_fp32", "config")
        expect(len(await client.get_model_repository_index()) >= len(DATATYPES), "index")
        expect((await client.get_inference_statistics("identity_fp32"))["model_stats"], "statistics")


@check("infer", *((d, b, c) for d in DATATYPES for b in (True, False) for c in (None, "gzip", "deflate") if b or d != "FP16"))
async def infer(url, datatype, binary, compression):
    value = (DATATYPES if binary else FINITE)[datatype]
    async with connect(url) as client:
        result = await client.infer(
            model(datatype), [tensor(datatype, value, binary)], outputs=[http.InferRequestedOutput("y", binary_data=binary)],
            request_id="aio", request_compression_algorithm=compression, response_compression_algorithm=compression)
    equal(result.get_response()["id"], "aio", "id")
    expect(same(result.as_numpy("y"), value), f"{result.as_numpy('y')!r} != {value!r}")


@check("infer")
async def many_at_once_keep_their_answers(url):
    values = [np.full((1, 4), n, np.int32) for n in range(200)]
    async with connect(url) as client:
        results = await asyncio.gather(*(client.infer("identity_int32", [tensor("INT32", value, True)]) for value in values))
    for value, result in zip(values, results):
        expect(same(result.as_numpy("y"), value), f"{result.as_numpy('y')} != {value}")


@check("errors")
async def an_unknown_model(url):
    async with connect(url) as client:
        try:
            await client.infer("nothing", [tensor("FP32", DATATYPES["FP32"], True)])
        except InferenceServerException as error:
            equal(error.status(), "404", error.message())
        else:
            raise AssertionError("no error")


if __name__ == "__main__":
    run(sys.argv[1])
