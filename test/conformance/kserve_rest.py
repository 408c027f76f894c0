"""KServe's own client, protocol v2: python kserve_rest.py http://host:port"""

import logging
import sys

import httpx
from checks import check, equal, expect, run
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from values import FINITE, model, same

logging.disable()


def connect():
    return InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))


def tensor(datatype, value, binary):
    entry = InferInput("x", list(value.shape), datatype)
    entry.set_data_from_numpy(value, binary_data=binary)
    return entry


@check("server")
async def live_ready_and_model_ready(url):
    async with connect() as client:
        expect(await client.is_server_live(url) is True, "not live: the body must be {\"live\":true}")
        expect(await client.is_server_ready(url) is True, "not ready: the body must be {\"ready\":true}")
        expect(await client.is_model_ready(url, "identity_fp32") is True, "model is not ready")
        expect(await client.is_model_ready(url, "nothing") is False, "an unknown model is ready")


@check("infer", *((d, b) for d in FINITE for b in (True, False) if b or d != "FP16"))
async def infer(url, datatype, binary):
    value = FINITE[datatype]
    request = InferRequest(model_name=model(datatype), request_id="kserve", infer_inputs=[tensor(datatype, value, binary)])
    async with connect() as client:
        response = await client.infer(url, request, model_name=model(datatype))
    equal((response.id, response.model_name), ("kserve", model(datatype)), "response")
    equal((response.outputs[0].name, response.outputs[0].datatype, list(response.outputs[0].shape)), ("y", datatype, list(value.shape)), "output")
    got = response.outputs[0].as_numpy()
    expect(same(got, value), f"{got!r} != {value!r}")


@check("infer")
async def a_plain_dict(url):
    data = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [[1.5, 2.5]]}]}
    async with connect() as client:
        response = await client.infer(url, data, model_name="identity_fp32")
    equal(list(response.outputs[0].data), [1.5, 2.5], "data")


@check("errors")
async def the_text_of_an_error_reaches_the_caller(url):
    """The client shows it only where Content-Type is application/json without parameters."""
    data = {"inputs": [{"name": "wrong", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    async with connect() as client:
        for name, status, word in (("identity_fp32", 400, "wrong"), ("nothing", 404, "nothing")):
            try:
                await client.infer(url, data, model_name=name)
            except httpx.HTTPStatusError as error:
                equal(error.response.status_code, status, str(error))
                expect(word in str(error).split(", '")[0], f"{word!r} is not in {error}")
            else:
                raise AssertionError(f"no error for {name}")


if __name__ == "__main__":
    run(sys.argv[1])
