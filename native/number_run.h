// The fast path of TensorReader: numbers one after another, as long as each lies whole in this chunk and is what it should be.
#pragma once

#include "datatype.h"
#include "text.h"

namespace sluice {

struct NumberRun {
  uint64_t entries;
  // The last value was followed by white space or `]`, which is not consumed; otherwise its comma is.
  bool ended;
};

// Reads at most `room` values to `out`. It stops, with nothing lost, before anything else: the reader's states take over, and
// find the fault if there is one.
NumberRun ReadNumbers(Datatype datatype, Input& in, uint64_t room, uint8_t* out);

}  // namespace sluice
