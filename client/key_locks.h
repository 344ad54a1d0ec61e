// Locks on keys of a primitive that is spread over partitions: those of each
// partition at once, and the partitions in their order, so that two who lock
// the same keys cannot wait for each other.

#ifndef CLIENT_KEY_LOCKS_H_
#define CLIENT_KEY_LOCKS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/duration.h"
#include "client/primitive.h"
#include "client/spread.h"
#include "client/wait_options.h"

namespace client {

template <class Service>
std::map<size_t, std::vector<std::string>> ByPart(
    const Spread<Service>& spread, const std::vector<std::string>& keys) {
  std::map<size_t, std::vector<std::string>> parts;
  for (const std::string& key : keys) parts[spread.PartOf(key)].push_back(key);
  return parts;
}

// Gives back `keys`, or without any all that the sessions have locked. Where
// that fails, the rest goes on; returns the first failure.
template <class Service, class Req, class Response>
absl::Status UnlockKeys(Spread<Service>& spread,
                        grpc::Status (Service::Stub::*method)(
                            grpc::ClientContext*, const Req&, Response*),
                        const std::vector<std::string>& keys) {
  auto parts = ByPart(spread, keys);
  if (keys.empty()) {
    for (size_t part = 0; part < spread.size(); ++part) parts[part] = {};
  }
  absl::Status result;
  bool some = false;
  for (const auto& [part, some_keys] : parts) {
    std::decay_t<decltype(Req().input())> input;
    for (const std::string& key : some_keys) input.add_keys(key);
    const absl::Status unlocked = spread.RunAt(part, method, input).status();
    some = some || unlocked.ok();
    if (result.ok()) result = unlocked;
  }
  // Of all that is locked, nothing need be locked in each partition.
  if (keys.empty() && some && absl::IsAborted(result)) return absl::OkStatus();
  return result;
}

template <class Service, class Req, class Response, class UnlockReq,
          class UnlockResponse>
absl::Status LockKeys(
    Spread<Service>& spread,
    grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Req&,
                                          Response*),
    grpc::Status (Service::Stub::*unlock)(grpc::ClientContext*,
                                          const UnlockReq&, UnlockResponse*),
    const std::vector<std::string>& keys, const WaitOptions& options) {
  using One = Primitive<Service>;
  auto parts = ByPart(spread, keys);
  if (keys.empty())
    parts[spread.home()] = {};  // The server says what it thinks.
  std::optional<int64_t> deadline_ns;
  std::vector<std::string> locked;
  for (const auto& part : parts) {
    std::decay_t<decltype(Req().input())> input;
    for (const std::string& key : part.second) input.add_keys(key);
    const absl::Status result = spread.With(
        part.first, [&](const std::shared_ptr<One>& one) -> absl::Status {
          WaitOptions left = options;
          if (options.limit.has_value()) {
            const int64_t now_ns =
                one->session().connection().timer().NowNanos();
            if (!deadline_ns.has_value()) {
              deadline_ns = DeadlineNanos(now_ns, options.limit);
            }
            left.limit =
                absl::Nanoseconds(std::max<int64_t>(0, *deadline_ns - now_ns));
            *input.mutable_timeout() = ToProto(*left.limit);
          }
          return one->Wait(method, input, left).status();
        });
    if (!result.ok()) {
      if (!locked.empty()) UnlockKeys(spread, unlock, locked).IgnoreError();
      return result;
    }
    locked.insert(locked.end(), part.second.begin(), part.second.end());
  }
  return absl::OkStatus();
}

}  // namespace client

#endif  // CLIENT_KEY_LOCKS_H_
