// One number or word of `data`, complete, to the bytes of its datatype.
#pragma once

#include <string>
#include <string_view>

#include "datatype.h"

namespace sluice {

// Writes ElementBytes(datatype) bytes. Returns an empty string, or what is wrong with the text.
std::string StoreValue(Datatype datatype, std::string_view text, uint8_t* out);

}  // namespace sluice
