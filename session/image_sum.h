// ImageSum adds up the rows of an image as TableSet does when it loads them,
// without loading them: whoever passes an image on can tell that it is damaged.
//
// Not thread-safe.

#ifndef SESSION_IMAGE_SUM_H_
#define SESSION_IMAGE_SUM_H_

#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "session/row_store.h"

namespace session {

class ImageSum {
 public:
  // The next row, in (table, key) order. DataLoss: it cannot be one.
  absl::Status Add(TableId table, absl::string_view key,
                   absl::string_view value);

  // What TableSet::digest() is for the rows so far.
  uint64_t digest() const { return digest_; }

 private:
  struct Epoch {
    uint64_t number = 0;
    bool gone = false;
  };

  uint64_t digest_ = 0;
  // Of cleared tables: rows of older epochs are no part of the image.
  std::map<std::pair<TableId, uint64_t>, Epoch> epochs_;
};

}  // namespace session

#endif  // SESSION_IMAGE_SUM_H_
