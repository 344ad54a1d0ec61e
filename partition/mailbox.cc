#include "partition/mailbox.h"

namespace partition {
namespace {

// What an item costs beside its bytes, so that a flood of tiny requests is
// bounded too.
constexpr uint64_t kItemOverheadBytes = 256;

uint64_t BytesOf(const MailboxItem& item) {
  if (const auto* propose = std::get_if<ProposeItem>(&item)) {
    return kItemOverheadBytes + propose->request.bytes.size();
  }
  if (const auto* query = std::get_if<QueryItem>(&item)) {
    return kItemOverheadBytes + query->request.query.input.size();
  }
  return 0;
}

bool IsTask(const MailboxItem& item) {
  return std::holds_alternative<TaskItem>(item);
}

}  // namespace

Mailbox::Share Mailbox::ShareOf(const MailboxItem& item) {
  const auto* propose = std::get_if<ProposeItem>(&item);
  if (propose != nullptr &&
      propose->request.kind == CommandRequest::Kind::kKeepAlive) {
    return {&keep_alive_bytes_, keep_alive_bytes_max_};
  }
  return {&bytes_, bytes_max_};
}

Mailbox::Push Mailbox::Add(MailboxItem&& item) {
  const uint64_t bytes = BytesOf(item);
  base::MutexLock lock(mu_);
  if (!IsTask(item)) {
    if (closed_) return Push::kClosed;
    Share share = ShareOf(item);
    if (*share.bytes + bytes > share.bytes_max) return Push::kFull;
    *share.bytes += bytes;
  }
  items_.push_back(std::move(item));
  if (scheduled_) return Push::kQueued;
  scheduled_ = true;
  return Push::kFirst;
}

void Mailbox::TakeAll(std::vector<MailboxItem>& items) {
  base::MutexLock lock(mu_);
  items.swap(items_);
  bytes_ = 0;
  keep_alive_bytes_ = 0;
  scheduled_ = false;
}

void Mailbox::Close() {
  base::MutexLock lock(mu_);
  closed_ = true;
}

}  // namespace partition
