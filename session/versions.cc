#include "session/versions.h"

#include "absl/strings/str_cat.h"

namespace session {

std::string NeedsVersion(absl::string_view what, uint32_t needed,
                         uint32_t known) {
  return absl::StrCat(what, " needs machine version ", needed,
                      " and this binary knows ", known,
                      "; install a newer multiraft on this node");
}

}  // namespace session
