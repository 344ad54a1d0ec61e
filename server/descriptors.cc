#include "server/descriptors.h"

#include <google/protobuf/descriptor.h>

#include "atomix/multiraft/counter/v1/service.pb.h"
#include "atomix/multiraft/countermap/v1/service.pb.h"
#include "atomix/multiraft/election/v1/service.pb.h"
#include "atomix/multiraft/indexedmap/v1/service.pb.h"
#include "atomix/multiraft/list/v1/service.pb.h"
#include "atomix/multiraft/lock/v1/service.pb.h"
#include "atomix/multiraft/map/v1/service.pb.h"
#include "atomix/multiraft/multimap/v1/service.pb.h"
#include "atomix/multiraft/set/v1/service.pb.h"
#include "atomix/multiraft/v1/node.pb.h"
#include "atomix/multiraft/v1/partition.pb.h"
#include "atomix/multiraft/v1/session.pb.h"
#include "atomix/multiraft/value/v1/service.pb.h"
#include "atomix/protocols/rsm/counter/v1/service.pb.h"
#include "atomix/protocols/rsm/countermap/v1/service.pb.h"
#include "atomix/protocols/rsm/election/v1/service.pb.h"
#include "atomix/protocols/rsm/indexedmap/v1/service.pb.h"
#include "atomix/protocols/rsm/lock/v1/service.pb.h"
#include "atomix/protocols/rsm/map/v1/service.pb.h"
#include "atomix/protocols/rsm/multimap/v1/service.pb.h"
#include "atomix/protocols/rsm/set/v1/service.pb.h"
#include "atomix/protocols/rsm/v1/partition.pb.h"
#include "atomix/protocols/rsm/v1/session.pb.h"
#include "atomix/protocols/rsm/value/v1/service.pb.h"
#include "atomix/stores/raft/v1/node.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace server {
namespace {

namespace api = ::atomix::multiraft;
namespace rsm = ::atomix::protocols::rsm;

// One message of each file, which links all of it: the whole public API, with
// or without a primitive behind it.
const google::protobuf::Descriptor* const kLinked[] = {
    api::v1::OpenSessionRequest::descriptor(),
    api::v1::BootstrapRequest::descriptor(),
    api::v1::CreatePrimitiveRequest::descriptor(),
    api::counter::v1::SetRequest::descriptor(),
    api::countermap::v1::SizeRequest::descriptor(),
    api::election::v1::EnterRequest::descriptor(),
    api::indexedmap::v1::SizeRequest::descriptor(),
    api::list::v1::SizeRequest::descriptor(),
    api::lock::v1::AcquireRequest::descriptor(),
    api::map::v1::SizeRequest::descriptor(),
    api::multimap::v1::SizeRequest::descriptor(),
    api::set::v1::SizeRequest::descriptor(),
    api::value::v1::SetRequest::descriptor(),
    rsm::v1::OpenSessionRequest::descriptor(),
    rsm::v1::CreatePrimitiveRequest::descriptor(),
    rsm::counter::v1::SetRequest::descriptor(),
    rsm::countermap::v1::SizeRequest::descriptor(),
    rsm::election::v1::EnterRequest::descriptor(),
    rsm::indexedmap::v1::SizeRequest::descriptor(),
    rsm::lock::v1::AcquireRequest::descriptor(),
    rsm::map::v1::SizeRequest::descriptor(),
    rsm::multimap::v1::SizeRequest::descriptor(),
    rsm::set::v1::SizeRequest::descriptor(),
    rsm::value::v1::SetRequest::descriptor(),
    atomix::stores::raft::v1::GetConfigRequest::descriptor(),
    grpc::health::v1::HealthCheckRequest::descriptor(),
    ::multiraft::admin::v1::StatusRequest::descriptor(),
};

}  // namespace

bool CanDescribe(const std::string& service) {
  return kLinked[0]->file()->pool()->FindServiceByName(service) != nullptr;
}

}  // namespace server
