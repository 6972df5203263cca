// What the sentences of refusals are put together with.
#pragma once

#include <ios>
#include <sstream>

namespace dt {

// A plain one that gets no memory says nothing and goes on with half a text: this one throws what
// it met.
class TextStream : public std::ostringstream {
 public:
  TextStream() { exceptions(std::ios_base::badbit); }
};

}  // namespace dt
