// What reflection answers from: the descriptors of the public services. The
// generic path needs no generated code of theirs, so the linker would drop it.

#ifndef SERVER_DESCRIPTORS_H_
#define SERVER_DESCRIPTORS_H_

#include <string>

namespace server {

// Whether reflection can describe `service`, by its full name.
bool CanDescribe(const std::string& service);

}  // namespace server

#endif  // SERVER_DESCRIPTORS_H_
