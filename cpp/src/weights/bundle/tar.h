// A bundle in one file: what `tar` makes of its folder, uncompressed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dt {

// The contents of the file in an archive whose name, without its folders, is `name`: a view of the
// archive's bytes. False, and why in `fault`, where there is none or the archive is not whole.
bool find_in_tar(std::string_view archive, std::string_view name, std::string_view* contents,
                 std::string* fault);

}  // namespace dt
