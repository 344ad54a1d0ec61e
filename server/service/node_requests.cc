#include "server/service/node_requests.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "partition/membership.h"

namespace server::service {
namespace {

// Of a DNS name.
constexpr size_t kHostBytesMax = 253;
constexpr int32_t kPortMax = 65535;

// MemberRole of both generations.
enum : int { kUnknown = 0, kMember = 1, kObserver = 2, kWitness = 3 };

// The last moments of a deadline are for the answer's way.
constexpr auto kWayBack = std::chrono::milliseconds(200);

bool IsHost(absl::string_view host) {
  return !host.empty() && host.size() <= kHostBytesMax &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
                  c != '/' && c != ',';
         });
}

// "host:port", an IPv6 address in brackets.
std::string AddressOf(const std::string& host, int32_t port) {
  const bool is_bare_v6 =
      host.find(':') != std::string::npos && host.front() != '[';
  return is_bare_v6 ? absl::StrCat("[", host, "]:", port)
                    : absl::StrCat(host, ":", port);
}

// Fails the call when it is dropped unused: the node stops.
class EmptyAnswer {
 public:
  explicit EmptyAnswer(std::shared_ptr<UnaryCall> call)
      : call_(std::move(call)) {}
  EmptyAnswer(EmptyAnswer&&) = default;
  ~EmptyAnswer() {
    if (call_ == nullptr) return;
    call_->Fail({.refusal = {.status = absl::UnavailableError(
                                 "the server is shutting down"),
                             .outcome = partition::Outcome::kUnknown}});
  }

  void Complete(absl::Status status) && {
    const std::shared_ptr<UnaryCall> call = std::move(call_);
    if (status.ok()) return call->Answer("");
    call->Fail({.refusal = {.status = std::move(status)}});
  }

 private:
  std::shared_ptr<UnaryCall> call_;
};

}  // namespace

absl::Status InvalidField(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckNumber(absl::string_view field, uint32_t number) {
  if (number != 0) return absl::OkStatus();
  const bool is_group = field.find("group_id") != absl::string_view::npos;
  return InvalidField(
      field, absl::StrCat(is_group ? "groups" : "members", " count from 1"));
}

absl::StatusOr<storage::GroupRole> ParseRole(absl::string_view field,
                                             int role) {
  switch (role) {
    case kUnknown:
    case kMember:
      return storage::GroupRole::kMember;
    case kObserver:
      return storage::GroupRole::kObserver;
    case kWitness:
      return storage::GroupRole::kWitness;
    default:
      return InvalidField(
          field, absl::StrCat(role, " is none of MEMBER, OBSERVER, WITNESS"));
  }
}

int NumberOf(storage::GroupRole role) {
  switch (role) {
    case storage::GroupRole::kMember:
      return kMember;
    case storage::GroupRole::kObserver:
      return kObserver;
    case storage::GroupRole::kWitness:
      return kWitness;
  }
  return kUnknown;
}

absl::StatusOr<storage::GroupMember> ParseMember(absl::string_view field,
                                                 uint32_t member_id,
                                                 const std::string& host,
                                                 int32_t port) {
  RETURN_IF_ERROR(CheckNumber(absl::StrCat(field, ".member_id"), member_id));
  if (!IsHost(host)) {
    return InvalidField(
        absl::StrCat(field, ".host"),
        absl::StrCat("\"", absl::CHexEscape(host), "\" is no host"));
  }
  if (port <= 0 || port > kPortMax) {
    return InvalidField(absl::StrCat(field, ".port"),
                        absl::StrCat(port, " is no port"));
  }
  return storage::GroupMember{.node = base::NodeId(member_id),
                              .peer_address = AddressOf(host, port)};
}

HostPort HostPortOf(const std::string& address) {
  HostPort result{.host = address};
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &result.port)) {
    return result;
  }
  result.host = address.substr(0, colon);
  if (result.host.size() > 2 && result.host.front() == '[' &&
      result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
  }
  return result;
}

absl::Status CompleteMembers(absl::string_view field, storage::Group& group) {
  if (group.members.empty()) return InvalidField(field, "there are none");
  std::sort(group.members.begin(), group.members.end(),
            [](const auto& a, const auto& b) { return a.node < b.node; });
  for (size_t i = 1; i < group.members.size(); ++i) {
    if (group.members[i].node == group.members[i - 1].node) {
      return InvalidField(field,
                          absl::StrCat("member ", group.members[i].node.value(),
                                       " is there twice"));
    }
  }
  if (group.AddressOfSelf().empty()) {
    return InvalidField(field,
                        absl::StrCat("member ", group.self.value(),
                                     ", which is to run here, is not among "
                                     "them"));
  }
  return absl::OkStatus();
}

absl::Status CheckFirstMembers(absl::string_view field,
                               const storage::Group& group) {
  if (group.members.size() <= partition::kInitialReplicasMax) {
    return absl::OkStatus();
  }
  return InvalidField(
      field,
      absl::StrCat("there are ", group.members.size(), ": a group begins with ",
                   partition::kInitialReplicasMax, " at most"));
}

IsWaiting WatchCaller(UnaryCall& call) {
  auto has_left = std::make_shared<std::atomic<bool>>(false);
  call.OnCancelled([has_left] { has_left->store(true); });
  const auto now = std::chrono::system_clock::now();
  const auto deadline = call.context().deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return [has_left] { return !has_left->load(); };
  }
  const auto until =
      deadline - std::min<std::chrono::system_clock::duration>(
                     kWayBack, std::max(deadline - now, {}) / 10);
  return [has_left, until] {
    return !has_left->load() && std::chrono::system_clock::now() < until;
  };
}

GroupDone AnswerWith(const std::shared_ptr<UnaryCall>& call) {
  return [answer = EmptyAnswer(call)](absl::Status status) mutable {
    std::move(answer).Complete(std::move(status));
  };
}

}  // namespace server::service
