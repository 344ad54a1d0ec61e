#include "server/service/luggage.h"

#include <grpcpp/server_context.h>

namespace server::service {

Luggage::Luggage(const grpc::CallbackServerContext& context)
    : deadline(context.deadline()) {
  metadata.emplace_back(kCallerPeer, context.peer());
  for (const char* const key : {kRequestId, kTraceParent}) {
    const auto found = context.client_metadata().find(key);
    if (found == context.client_metadata().end()) continue;
    metadata.emplace_back(
        key, std::string(found->second.data(), found->second.size()));
  }
}

void Luggage::PutInto(grpc::ClientContext& context) const {
  if (deadline != std::chrono::system_clock::time_point::max()) {
    context.set_deadline(deadline);
  }
  for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
}

}  // namespace server::service
