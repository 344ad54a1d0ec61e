// ApiFiles are the descriptors of the contracts whose bytes others have fixed:
// every file below proto/atomix, and the standard health service. Naming them
// also links their code, so that the generated pool has all of it.

#ifndef PROTO_API_FILES_H_
#define PROTO_API_FILES_H_

#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace proto {

std::vector<const google::protobuf::FileDescriptor*> ApiFiles();

// A text with names of the first generation of the public API, as they are in
// the second. (Not paths.)
std::string InSecondGeneration(const std::string& text);

}  // namespace proto

#endif  // PROTO_API_FILES_H_
