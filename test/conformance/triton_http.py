"""tritonclient[http], the synchronous client: python triton_http.py http://host:port"""

import sys

import numpy as np
import tritonclient.http as http
from checks import check, equal, expect, run
from tritonclient.utils import InferenceServerException
from values import DATATYPES, FINITE, model, same


def tensor(datatype, value, binary):
    entry = http.InferInput("x", list(value.shape), datatype)
    entry.set_data_from_numpy(value, binary_data=binary)
    return entry


def fails(status, call, *words):
    """The call must fail with this status and a message that contains every word."""
    try:
        call()
    except InferenceServerException as error:
        equal(error.status(), str(status), f"status of {error.message()!r}")
        for word in words:
            expect(word in error.message(), f"{word!r} is not in {error.message()!r}")
    else:
        raise AssertionError(f"no error; wanted {status}")


@check("server")
def live_and_ready(client):
    expect(client.is_server_live(), "not live")
    expect(client.is_server_ready(), "not ready")


@check("server")
def metadata(client):
    server = client.get_server_metadata()
    expect(server["name"] and server["version"], f"no name or version: {server}")
    expect("binary_tensor_data" in server["extensions"], f"extensions: {server['extensions']}")


@check("server")
def a_header_of_the_caller_is_accepted(client):
    expect(client.is_server_live(headers={"X-Anything": "1"}, query_params={"a": 1}), "not live")


@check("models", *((d,) for d in DATATYPES))
def metadata_and_config_of(client, datatype):
    name = model(datatype)
    metadata = client.get_model_metadata(name)
    equal(metadata["inputs"], [{"name": "x", "datatype": datatype, "shape": [-1, -1]}], "inputs")
    equal(metadata["outputs"], [{"name": "y", "datatype": datatype, "shape": [-1, -1]}], "outputs")
    equal(metadata["versions"], ["1"], "versions")
    config = client.get_model_config(name)
    equal(config["name"], name, "config")
    expect(isinstance(config["max_batch_size"], int), "max_batch_size is no integer")
    # With a batch axis, Triton's config leaves it out of dims.
    dims = [-1] if config["max_batch_size"] > 0 else [-1, -1]
    kind = {"BYTES": "STRING"}.get(datatype, datatype)
    equal([(i["name"], i["data_type"], i["dims"]) for i in config["input"]], [("x", f"TYPE_{kind}", dims)], "config.input")


@check("models")
def ready_by_name_and_version(client):
    expect(client.is_model_ready("identity_fp32"), "not ready")
    expect(client.is_model_ready("identity_fp32", "1"), "version 1 is not ready")
    expect(not client.is_model_ready("identity_fp32", "7"), "version 7 is ready")
    expect(not client.is_model_ready("nothing"), "an unknown model is ready")


@check("models")
def statistics_count_and_have_every_key(client):
    value = DATATYPES["FP32"]
    before = client.get_inference_statistics("identity_fp32")["model_stats"][0]
    for _ in range(3):
        client.infer("identity_fp32", [tensor("FP32", value, True)])
    after = client.get_inference_statistics("identity_fp32", "1")["model_stats"][0]
    equal(after["inference_count"] - before["inference_count"], 3, "inference_count")
    equal(after["version"], "1", "version")
    for part in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"):
        leaf = after["inference_stats"][part]
        expect(isinstance(leaf["count"], int) and isinstance(leaf["ns"], int), f"{part}: {leaf}")
    expect(after["batch_stats"][0]["compute_infer"]["count"] > 0, f"batch_stats: {after['batch_stats']}")
    expect(len(client.get_inference_statistics()["model_stats"]) >= len(DATATYPES), "statistics of all models")


@check("repository")
def index(client):
    entries = {entry["name"]: entry for entry in client.get_model_repository_index()}
    equal((entries["identity_fp32"]["version"], entries["identity_fp32"]["state"]), ("1", "READY"), "index")


@check("repository")
def unload_and_load(client):
    name = "unloadable"
    client.unload_model(name)
    expect(not client.is_model_ready(name), "still ready")
    entry = next(entry for entry in client.get_model_repository_index() if entry["name"] == name)
    equal(entry["state"], "UNAVAILABLE", "state")
    value = DATATYPES["FP32"]
    fails(503, lambda: client.infer(name, [tensor("FP32", value, True)]), name)
    client.load_model(name)
    expect(client.is_model_ready(name), "not ready again")
    expect(same(client.infer(name, [tensor("FP32", value, True)]).as_numpy("y"), value), "wrong answer after loading")


@check("repository")
def loading_an_unknown_model_fails(client):
    fails(404, lambda: client.load_model("nothing"), "nothing")
    fails(404, lambda: client.unload_model("nothing"), "nothing")


@check("infer", *((d, c) for d in DATATYPES for c in (None, "gzip", "deflate")))
def binary(client, datatype, compression):
    value = DATATYPES[datatype]
    result = client.infer(
        model(datatype), [tensor(datatype, value, True)], outputs=[http.InferRequestedOutput("y", binary_data=True)],
        request_compression_algorithm=compression, response_compression_algorithm=compression)
    expect("binary_data_size" in result.get_output("y")["parameters"], "the output is not binary")
    expect(same(result.as_numpy("y"), value), f"{result.as_numpy('y')!r} != {value!r}")


@check("infer", *((d, c) for d in FINITE for c in (None, "gzip", "deflate") if d != "FP16"))
def json(client, datatype, compression):
    value = FINITE[datatype]
    result = client.infer(
        model(datatype), [tensor(datatype, value, False)], outputs=[http.InferRequestedOutput("y", binary_data=False)],
        request_compression_algorithm=compression, response_compression_algorithm=compression)
    expect("data" in result.get_output("y"), "the output is not JSON")
    expect(same(result.as_numpy("y"), value), f"{result.as_numpy('y')!r} != {value!r}")


@check("infer", ("BYTES",), ("INT64",), ("FP32",))
def json_in_binary_out(client, datatype):
    result = client.infer(model(datatype), [tensor(datatype, FINITE[datatype], False)], outputs=[http.InferRequestedOutput("y", binary_data=True)])
    expect(same(result.as_numpy("y"), FINITE[datatype]), "wrong answer")


@check("infer", ("BYTES",), ("INT64",), ("FP32",))
def binary_in_json_out(client, datatype):
    result = client.infer(model(datatype), [tensor(datatype, FINITE[datatype], True)], outputs=[http.InferRequestedOutput("y", binary_data=False)])
    expect(same(result.as_numpy("y"), FINITE[datatype]), "wrong answer")


@check("infer")
def without_named_outputs_all_come_as_binary(client):
    value = DATATYPES["FP32"]
    result = client.infer("identity_fp32", [tensor("FP32", value, True)])
    expect("binary_data_size" in result.get_output("y")["parameters"], "not binary")
    expect(same(result.as_numpy("y"), value), "wrong answer")


@check("infer")
def the_id_comes_back(client):
    result = client.infer("identity_fp32", [tensor("FP32", DATATYPES["FP32"], True)], request_id="my own id")
    response = result.get_response()
    equal((response["id"], response["model_name"], response["model_version"]), ("my own id", "identity_fp32", "1"), "response")


@check("infer")
def a_version_can_be_named(client):
    client.infer("identity_fp32", [tensor("FP32", DATATYPES["FP32"], True)], model_version="1")
    fails(404, lambda: client.infer("identity_fp32", [tensor("FP32", DATATYPES["FP32"], True)], model_version="7"), "7")


@check("infer")
def parameters_of_the_caller_are_accepted(client):
    client.infer("identity_fp32", [tensor("FP32", DATATYPES["FP32"], True)], priority=1, timeout=5_000_000, parameters={"mine": "text", "count": 3, "flag": True})


@check("infer")
def many_rows_come_back_in_order(client):
    value = np.arange(3000 * 8, dtype=np.float32).reshape(3000, 8)
    for binary in (True, False):
        expect(same(client.infer("identity_fp32", [tensor("FP32", value, binary)]).as_numpy("y"), value), f"binary={binary}")


@check("infer")
def requests_in_parallel_keep_their_answers(client):
    values = [np.full((1, 4), n, np.int32) for n in range(64)]
    requests = [client.async_infer("identity_int32", [tensor("INT32", value, True)]) for value in values]
    for value, request in zip(values, requests):
        got = request.get_result().as_numpy("y")  # Reads the body: once.
        expect(same(got, value), f"{got} != {value}")


@check("infer")
def no_rows_at_all(client):
    value = np.zeros((0, 4), np.float32)
    try:
        expect(same(client.infer("identity_fp32", [tensor("FP32", value, True)]).as_numpy("y"), value), "wrong answer")
    except InferenceServerException as error:
        equal(error.status(), "400", error.message())


@check("infer")
def classification(client):
    value = np.array([[0.1, 4.0, 2.5, -1.0], [9.0, 0.0, 1.0, 8.0]], np.float32)
    result = client.infer("identity_fp32", [tensor("FP32", value, True)], outputs=[http.InferRequestedOutput("y", class_count=2)])
    rows = [[item.decode().split(":")[:2] for item in row] for row in result.as_numpy("y")]
    equal([[index for _, index in row] for row in rows], [["1", "2"], ["0", "3"]], "classes")
    equal([[float(score) for score, _ in row] for row in rows], [[4.0, 2.5], [9.0, 8.0]], "scores")


@check("errors")
def an_unknown_model(client):
    fails(404, lambda: client.infer("nothing", [tensor("FP32", DATATYPES["FP32"], True)]), "nothing")
    fails(404, lambda: client.get_model_metadata("nothing"), "nothing")
    fails(404, lambda: client.get_model_config("nothing"), "nothing")
    fails(404, lambda: client.get_inference_statistics("nothing"), "nothing")


@check("errors", (True,), (False,))
def a_wrong_datatype(client, binary):
    fails(400, lambda: client.infer("identity_fp32", [tensor("INT32", DATATYPES["INT32"], binary)]), "x", "INT32", "FP32")


@check("errors")
def a_wrong_rank(client):
    fails(400, lambda: client.infer("identity_fp32", [tensor("FP32", np.zeros(4, np.float32), True)]), "x")


@check("errors")
def a_missing_input(client):
    fails(400, lambda: client.infer("identity_fp32", []), "input")


@check("errors")
def an_unknown_input(client):
    entry = http.InferInput("wrong", [1, 4], "FP32")
    entry.set_data_from_numpy(np.zeros((1, 4), np.float32))
    fails(400, lambda: client.infer("identity_fp32", [entry]), "wrong")


@check("errors")
def an_unknown_output(client):
    fails(400, lambda: client.infer("identity_fp32", [tensor("FP32", DATATYPES["FP32"], True)], outputs=[http.InferRequestedOutput("wrong")]), "wrong")


@check("errors")
def a_value_out_of_range(client):
    entry = http.InferInput("x", [1, 1], "UINT8")
    entry._data = [256]
    fails(400, lambda: client.infer("identity_uint8", [entry]), "256")


@check("errors")
def a_count_that_does_not_fit_the_shape(client):
    entry = http.InferInput("x", [2, 4], "FP32")
    entry._data = [1.0] * 7
    fails(400, lambda: client.infer("identity_fp32", [entry]), "x")


if __name__ == "__main__":
    run(http.InferenceServerClient(sys.argv[1].removeprefix("http://"), concurrency=8))
