{
  "targets": [
    {
      "target_name": "sluice",
      "sources": [
        "native/addon.cc",
        "native/capture.cc",
        "native/number_run.cc",
        "native/nvml.cc",
        "native/parser_binding.cc",
        "native/printer_binding.cc",
        "native/request_parser.cc",
        "native/shared_memory.cc",
        "native/tensor_printer.cc",
        "native/tensor_reader.cc",
        "native/text.cc",
        "native/values.cc"
      ],
      "defines": ["NAPI_VERSION=8"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-O3", "-fexceptions", "-fvisibility=hidden", "-Wall", "-Wextra"],
      "libraries": ["-ldl"]
    }
  ]
}
