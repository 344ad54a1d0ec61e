// Golden bytes: messages as their fields and as the bytes that they must be on
// the wire, in proto/testdata/*.golden. The bytes were written from the
// published field numbers, not by the code they test.
//
// A file is blocks with empty lines between them:
//
//   # Why it is here.
//   atomix.multiraft.counter.v1.SetRequest
//   headers { $CommandRequestHeaders } input { value: 5 }
//   ----
//   0a 11                     ; 1 len headers: number, wire type, name
//     $CommandRequestHeaders
//   12 02                     ; 2 len input
//     08 05                   ; 1 varint value
//
// The fields are in protobuf's text format. `define` in front of a message's
// name makes $Name, without its package, stand for both parts in later blocks.

#ifndef PROTO_GOLDEN_H_
#define PROTO_GOLDEN_H_

#include <string>
#include <vector>

namespace proto {

struct Golden {
  std::string where;    // file:line, for failures.
  std::string message;  // Full name.
  std::string fields;
  std::string bytes;
};

// The blocks of the files at `paths`, in that order; a definition is in force
// from there on. Dies of a file that is not as above.
std::vector<Golden> ReadGoldens(const std::vector<std::string>& paths);

}  // namespace proto

#endif  // PROTO_GOLDEN_H_
