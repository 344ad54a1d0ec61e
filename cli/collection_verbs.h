// What the verbs `size` and `clear` of every collection do.

#ifndef CLI_COLLECTION_VERBS_H_
#define CLI_COLLECTION_VERBS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "cli/run.h"

namespace cli {

template <class Collection>
absl::Status Size(Run& run) {
  ASSIGN_OR_RETURN(Collection collection, run.Open<Collection>(0));
  ASSIGN_OR_RETURN(const uint32_t size, collection.Size());
  Json object;
  object["name"] = run.operand(0);
  object["size"] = size;
  run.Print(absl::StrCat(size, "\n"), object);
  return absl::OkStatus();
}

template <class Collection>
absl::Status Clear(Run& run) {
  ASSIGN_OR_RETURN(Collection collection, run.Open<Collection>(0));
  RETURN_IF_ERROR(collection.Clear());
  Json object;
  object["name"] = run.operand(0);
  object["cleared"] = true;
  run.Print("cleared\n", object);
  return absl::OkStatus();
}

}  // namespace cli

#endif  // CLI_COLLECTION_VERBS_H_
