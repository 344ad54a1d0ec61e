// Spread is one primitive wherever it is: in the partition of one session, or
// in those of a Client, opened in each as it is needed and again in each new
// session. It says where a key, or the primitive's name, belongs.
//
// Thread-safe.

#ifndef CLIENT_SPREAD_H_
#define CLIENT_SPREAD_H_

#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "client/merged_stream.h"
#include "client/partition_of.h"
#include "client/primitive.h"
#include "client/primitive_name.h"
#include "client/session.h"
#include "client/session_pool.h"
#include "client/status.h"
#include "client/stream.h"

namespace client {

template <class Service>
class Spread : public std::enable_shared_from_this<Spread<Service>> {
 public:
  using One = Primitive<Service>;
  template <class Req, class Response>
  using Unary = typename One::template Unary<Req, Response>;
  template <class Response>
  using OutputOf = typename One::template OutputOf<Response>;

  // In the partition of `session`, opened now.
  static absl::StatusOr<std::shared_ptr<Spread>> Open(
      Session& session, const PrimitiveName& name) {
    ASSIGN_OR_RETURN(One one, One::Open(session, name));
    auto spread = std::shared_ptr<Spread>(new Spread(name, 1));
    spread->parts_[0].one = std::make_shared<One>(std::move(one));
    return spread;
  }

  // In every partition of `pool`, opened when first used.
  static std::shared_ptr<Spread> Over(std::shared_ptr<SessionPool> pool,
                                      const PrimitiveName& name) {
    auto spread = std::shared_ptr<Spread>(new Spread(name, pool->size()));
    spread->pool_ = std::move(pool);
    return spread;
  }

  // In the partition of `pool` that the name belongs to, opened now.
  static absl::StatusOr<std::shared_ptr<Spread>> ByName(
      std::shared_ptr<SessionPool> pool, const PrimitiveName& name) {
    std::shared_ptr<Spread> spread = Over(std::move(pool), name);
    RETURN_IF_ERROR(spread->At(spread->home()).status());
    return spread;
  }

  bool is_one_session() const { return pool_ == nullptr; }

  // Parts are partitions, by position.
  size_t size() const { return parts_.size(); }
  size_t PartOf(absl::string_view key) const {
    return PartitionIndexOf(key, parts_.size());
  }
  // Of the primitive's name.
  size_t home() const { return PartOf(name_.name); }

  // The primitive in the part's session.
  absl::StatusOr<std::shared_ptr<One>> At(size_t part) {
    Part& cached = parts_[part];
    if (pool_ == nullptr) return cached.one;
    ASSIGN_OR_RETURN(const std::shared_ptr<Session> session, pool_->Get(part));
    {
      base::MutexLock lock(mu_);
      if (cached.one != nullptr && &cached.one->session() == session.get()) {
        return cached.one;
      }
    }
    ASSIGN_OR_RETURN(One one, One::Open(*session, name_));
    auto opened = std::make_shared<One>(std::move(one));
    std::shared_ptr<One> before = opened;  // Let go of without the lock.
    base::MutexLock lock(mu_);
    std::swap(cached.one, before);
    return opened;
  }

  // Does `work(primitive)` in the part's session; again in a new one, a few
  // times, if the session was lost and the work was surely not done in it.
  // `work` returns an absl::Status or StatusOr and takes a shared_ptr<One>.
  template <class Work>
  std::invoke_result_t<Work, std::shared_ptr<One>> With(size_t part,
                                                        const Work& work) {
    for (int left = kSessionsMax;; --left) {
      ASSIGN_OR_RETURN(std::shared_ptr<One> one, At(part));
      auto result = work(std::move(one));
      const absl::Status& status = StatusOf(result);
      if (pool_ == nullptr || !IsSessionLost(status) ||
          IsOutcomeUnknown(status) || left == 1) {
        return result;
      }
    }
  }

  // As Primitive::Run, where `key` belongs...
  template <class Req, class Response, class Input>
  absl::StatusOr<OutputOf<Response>> RunOf(absl::string_view key,
                                           Unary<Req, Response> method,
                                           const Input& input) {
    return RunAt(PartOf(key), method, input);
  }
  // ... or the primitive's name...
  template <class Req, class Response, class Input>
  absl::StatusOr<OutputOf<Response>> Run(Unary<Req, Response> method,
                                         const Input& input) {
    return RunAt(home(), method, input);
  }
  template <class Req, class Response, class Input>
  absl::StatusOr<OutputOf<Response>> RunAt(size_t part,
                                           Unary<Req, Response> method,
                                           const Input& input) {
    return With(part, [&](const std::shared_ptr<One>& one) {
      return one->Run(method, input);
    });
  }
  // ... or everywhere, one after another. Ends at the first failure.
  template <class Req, class Response, class Input>
  absl::StatusOr<std::vector<OutputOf<Response>>> RunAll(
      Unary<Req, Response> method, const Input& input) {
    std::vector<OutputOf<Response>> outputs;
    for (size_t part = 0; part < size(); ++part) {
      ASSIGN_OR_RETURN(outputs.emplace_back(), RunAt(part, method, input));
    }
    return outputs;
  }

  // A stream of some parts as one: see MergedStream. `open(one)` opens one
  // part's. The stream of a lone session is as `open` makes it.
  template <class Item>
  std::unique_ptr<Stream<Item>> StreamOf(
      const std::vector<size_t>& parts,
      std::type_identity_t<std::function<std::unique_ptr<Stream<Item>>(One&)>>
          open) {
    if (pool_ == nullptr) return open(*parts_[0].one);
    const std::shared_ptr<Spread> self = this->shared_from_this();
    std::vector<typename MergedStream<Item>::Opener> openers;
    for (const size_t part : parts) {
      openers.push_back(
          [self, part,
           open]() -> absl::StatusOr<std::unique_ptr<Stream<Item>>> {
            ASSIGN_OR_RETURN(const std::shared_ptr<One> one, self->At(part));
            return open(*one);
          });
    }
    return std::make_unique<MergedStream<Item>>(std::move(openers));
  }

  // What a finite stream of a part brings in all. `open(one)` opens it.
  template <class Item, class Open>
  absl::StatusOr<std::vector<Item>> Gather(size_t part, const Open& open) {
    return With(part,
                [&](const std::shared_ptr<One>& one)
                    -> absl::StatusOr<std::vector<Item>> {
                  const std::unique_ptr<Stream<Item>> stream = open(*one);
                  std::vector<Item> items;
                  while (true) {
                    ASSIGN_OR_RETURN(std::optional<Item> item, stream->Next());
                    if (!item.has_value()) return items;
                    if (item->kind == Item::Kind::kRestarted) {
                      items.clear();
                    } else {
                      items.push_back(*std::move(item));
                    }
                  }
                });
  }
  // Of all parts.
  template <class Item, class Open>
  absl::StatusOr<std::vector<Item>> GatherAll(const Open& open) {
    std::vector<Item> items;
    for (size_t part = 0; part < size(); ++part) {
      ASSIGN_OR_RETURN(std::vector<Item> some, Gather<Item>(part, open));
      items.insert(items.end(), std::make_move_iterator(some.begin()),
                   std::make_move_iterator(some.end()));
    }
    return items;
  }

  // Where the events of `key` come from; "": of every key.
  std::vector<size_t> PartsOf(absl::string_view key) const {
    return key.empty() ? all() : std::vector<size_t>{PartOf(key)};
  }
  std::vector<size_t> all() const {
    std::vector<size_t> parts(size());
    for (size_t i = 0; i < parts.size(); ++i) parts[i] = i;
    return parts;
  }

  // Ends the sessions' use, where it was opened. Returns the first failure.
  absl::Status Close() {
    std::vector<std::shared_ptr<One>> opened;
    {
      base::MutexLock lock(mu_);
      for (Part& part : parts_) {
        if (part.one != nullptr) opened.push_back(part.one);
      }
    }
    absl::Status result;
    for (const std::shared_ptr<One>& one : opened) {
      const absl::Status closed = one->Close();
      // What a lost session used it uses no more.
      if (pool_ != nullptr && IsSessionLost(closed)) continue;
      if (result.ok()) result = closed;
    }
    return result;
  }

 private:
  // Whoever loses as many in a row has another problem.
  static constexpr int kSessionsMax = 3;

  struct Part {
    std::shared_ptr<One> one;  // Null: not opened yet.
  };

  Spread(const PrimitiveName& name, size_t parts)
      : name_(name), parts_(parts) {}

  static const absl::Status& StatusOf(const absl::Status& status) {
    return status;
  }
  template <class T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }

  const PrimitiveName name_;           // Constant after construction.
  std::shared_ptr<SessionPool> pool_;  // Null: parts_[0] is all there is.

  base::Mutex mu_;
  // Its size is constant. With a pool, the rest under mu_; else constant.
  std::vector<Part> parts_;
};

}  // namespace client

#endif  // CLIENT_SPREAD_H_
