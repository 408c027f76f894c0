// Tensor bytes to a flat JSON array; the contract is TensorPrinter in src/native/contract.ts.
#pragma once

#include "datatype.h"

namespace sluice {

constexpr int64_t kDoesNotFit = -1;
constexpr int64_t kInvalidUtf8 = -2;
constexpr int64_t kMalformed = -3;  // not a whole number of elements

// Prints into out[at, out_bytes). Returns the position after the array, or one of the constants above.
int64_t PrintTensor(const uint8_t* data, size_t bytes, Datatype datatype, uint8_t* out, size_t out_bytes, size_t at);

}  // namespace sluice
