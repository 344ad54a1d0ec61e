// What the transport did, and what it dropped and why.
//
// Thread-safe; numbers only grow.

#ifndef SERVER_TRANSPORT_COUNTERS_H_
#define SERVER_TRANSPORT_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace server::transport {

// Why a message, or a whole stream, was not taken.
enum class Drop : uint8_t {
  // Here, before it left:
  kNotReady,     // The transport has not started, or has stopped.
  kNoAddress,    // The partition does not know the replica it is for.
  kUnreachable,  // No connection.
  kQueueFull,
  // What arrived:
  kWrongCluster,      // A stream.
  kWrongNode,         // A stream.
  kWrongIncarnation,  // A stream.
  kWrongVersion,      // A stream.
  kUnknownReplica,    // The partition, or that replica of it, is not here.
  kWrongSender,       // The replica it is from lives elsewhere.
  kMalformed,
  kChecksum,
};
inline constexpr size_t kDropReasons = static_cast<size_t>(Drop::kChecksum) + 1;

inline const char* DropName(Drop reason) {
  constexpr const char* kNames[kDropReasons] = {
      "not-ready",       "no-address",   "unreachable",       "queue-full",
      "wrong-cluster",   "wrong-node",   "wrong-incarnation", "wrong-version",
      "unknown-replica", "wrong-sender", "malformed",         "checksum"};
  return kNames[static_cast<size_t>(reason)];
}

struct Counters {
  using Counter = std::atomic<uint64_t>;

  void Count(Drop reason) {
    drops[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t dropped(Drop reason) const {
    return drops[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }

  std::array<Counter, kDropReasons> drops{};
  Counter messages_sent{0};  // Queued, rather.
  Counter frames_sent{0};
  Counter bytes_sent{0};
  Counter messages_received{0};
  Counter frames_received{0};
  Counter streams_opened{0};  // To others, welcomed.
  Counter streams_failed{0};  // To others: broken, refused, unreachable.
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_COUNTERS_H_
