// Datatypes by their index in DATATYPES of src/contracts/tensor.ts: that index is what crosses the boundary.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor bytes are little-endian, and so must the machine be");

enum class Datatype : uint8_t {
  kBool, kUint8, kUint16, kUint32, kUint64, kInt8, kInt16, kInt32, kInt64, kFp16, kFp32, kFp64, kBytes,
};
constexpr uint32_t kDatatypeCount = 13;

// Bytes of one element; 0 for BYTES, whose elements vary.
constexpr size_t ElementBytes(Datatype datatype) {
  constexpr uint8_t kSizes[kDatatypeCount] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 0};
  return kSizes[static_cast<size_t>(datatype)];
}

constexpr const char* DatatypeName(Datatype datatype) {
  constexpr const char* kNames[kDatatypeCount] = {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16",
                                                  "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"};
  return kNames[static_cast<size_t>(datatype)];
}

constexpr bool IsFloat(Datatype datatype) {
  return datatype == Datatype::kFp16 || datatype == Datatype::kFp32 || datatype == Datatype::kFp64;
}

}  // namespace sluice
