#include "server/descriptors.h"

#include <google/protobuf/descriptor.h>

#include "atomix/multiraft/counter/v1/service.pb.h"
#include "atomix/multiraft/map/v1/service.pb.h"
#include "atomix/multiraft/v1/partition.pb.h"
#include "atomix/multiraft/v1/session.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace server {
namespace {

namespace v1 = ::atomix::multiraft;

// One message of each file, which links all of it.
const google::protobuf::Descriptor* const kLinked[] = {
    v1::v1::OpenSessionRequest::descriptor(),
    v1::v1::CreatePrimitiveRequest::descriptor(),
    v1::counter::v1::GetRequest::descriptor(),
    v1::map::v1::GetRequest::descriptor(),
    grpc::health::v1::HealthCheckRequest::descriptor(),
    ::multiraft::admin::v1::StatusRequest::descriptor(),
};

}  // namespace

bool CanDescribe(const std::string& service) {
  return kLinked[0]->file()->pool()->FindServiceByName(service) != nullptr;
}

}  // namespace server
