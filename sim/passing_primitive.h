// What faulty primitives are made of, to test those who must notice.

#ifndef SIM_PASSING_PRIMITIVE_H_
#define SIM_PASSING_PRIMITIVE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "session/primitive.h"
#include "session/types.h"

namespace sim {

// A primitive that hands everything on to one of the built-in ones.
class PassingPrimitive : public session::Primitive {
 public:
  explicit PassingPrimitive(std::unique_ptr<session::Primitive> inner)
      : inner_(std::move(inner)) {}

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override {
    inner_->Command(context, operation, input);
  }
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override {
    return inner_->Query(operation, input);
  }
  session::Listing List(const session::StreamQuery& query,
                        absl::string_view cursor,
                        const session::SliceBounds& bounds) const override {
    return inner_->List(query, cursor, bounds);
  }
  bool Watches(const session::StreamQuery& query) const override {
    return inner_->Watches(query);
  }
  void TimerFired(session::PrimitiveContext& context,
                  absl::string_view key) override {
    inner_->TimerFired(context, key);
  }
  void WaiterCancelled(session::PrimitiveContext& context,
                       session::CommandKey command) override {
    inner_->WaiterCancelled(context, command);
  }
  bool SessionClosed(session::PrimitiveContext& context,
                     session::SessionId session, size_t items_max) override {
    return inner_->SessionClosed(context, session, items_max);
  }
  void Loaded(session::PrimitiveContext& context) override {
    inner_->Loaded(context);
  }

 protected:
  const std::unique_ptr<session::Primitive> inner_;
};

// The context of a command whose answer nobody gets.
class Unanswered : public session::CommandContext {
 public:
  explicit Unanswered(session::CommandContext& context) : context_(context) {}

  uint64_t index() const override { return context_.index(); }
  uint64_t time_ns() const override { return context_.time_ns(); }
  uint32_t machine_version() const override {
    return context_.machine_version();
  }
  bool has_listeners() const override { return context_.has_listeners(); }
  void Publish(uint64_t change_index, absl::string_view key,
               std::string output) override {
    context_.Publish(change_index, key, std::move(output));
  }
  bool has_watchers() const override { return context_.has_watchers(); }
  void Notify(absl::string_view cursor, std::string output) override {
    context_.Notify(cursor, std::move(output));
  }
  void NotifyAt(uint64_t position, int shift, std::string output) override {
    context_.NotifyAt(position, shift, std::move(output));
  }
  void InterruptWatchers() override { context_.InterruptWatchers(); }
  void SetTimer(absl::string_view key, uint64_t due_ns) override {
    context_.SetTimer(key, due_ns);
  }
  void CancelTimer(absl::string_view key) override {
    context_.CancelTimer(key);
  }
  void CancelTimers(char prefix) override { context_.CancelTimers(prefix); }
  void Charge(uint64_t items) override { context_.Charge(items); }
  void Complete(session::CommandKey command, session::Result result) override {
    context_.Complete(command, std::move(result));
  }
  session::CommandKey command() const override { return context_.command(); }
  session::Generation generation() const override {
    return context_.generation();
  }
  void Answer(session::Result) override {}
  void KeepOpen() override {}
  void Listen(absl::string_view, std::string) override {}

 private:
  session::CommandContext& context_;
};

}  // namespace sim

#endif  // SIM_PASSING_PRIMITIVE_H_
