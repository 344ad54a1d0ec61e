// Places is how many of one kind may be there at the same time.
//
// Thread-safe.

#ifndef SERVER_SERVICE_PLACES_H_
#define SERVER_SERVICE_PLACES_H_

#include <atomic>
#include <cstdint>
#include <memory>

namespace server::service {

class Places {
 public:
  explicit Places(uint64_t max) : max_(max) {}

  // Held until the last share of it is gone, which this outlives; null: all are
  // taken.
  std::shared_ptr<const void> Take() {
    if (taken_.fetch_add(1) >= max_) {
      taken_.fetch_sub(1);
      return nullptr;
    }
    return {this, [this](const void*) { taken_.fetch_sub(1); }};
  }

  uint64_t max() const { return max_; }

 private:
  const uint64_t max_;
  std::atomic<uint64_t> taken_ = 0;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_PLACES_H_
