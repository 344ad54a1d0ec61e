// ForwardedRequest is what a client asked for, as it is asked at another node.

#ifndef SERVER_SERVICE_FORWARDED_REQUEST_H_
#define SERVER_SERVICE_FORWARDED_REQUEST_H_

#include <string>

#include "base/ids.h"

namespace server::service {

struct ForwardedRequest {
  std::string method;  // "/atomix.multiraft.map.v1.Map/Put"
  std::string bytes;
  base::PartitionId partition;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_FORWARDED_REQUEST_H_
