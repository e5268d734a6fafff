// Work in stages, shared by threads: every chunk of a stage is done before any chunk of the next begins.
#pragma once
#include <atomic>
#include <cstdint>
#include <new>
#include <vector>

#include "thread_pool.h"

// Calls work(stage, chunk) for each of `stages` * `chunks`, and finish(stage) at the end of each stage. Each thread has a `work`
// of its own, with its buffers, made by make_work(). All are made before any thread starts, so that an exception in make_work
// leaves no thread behind. Tickets are drawn in order; a thread whose ticket is of a stage not yet open waits for that stage, which
// is all the synchronisation there is.
template <class MakeWork, class Finish>
void run_stages(int threads, int64_t stages, int64_t chunks, MakeWork make_work, Finish finish) {
    std::vector<decltype(make_work())> works;
    works.reserve(threads);
    for (int i = 0; i < threads; i++) works.push_back(make_work());
    std::atomic<int64_t> next{0}, done{0}, open{0};
    auto loop = [&](int i) {
        for (int64_t ticket; (ticket = next.fetch_add(1)) < stages * chunks;) {
            const int64_t stage = ticket / chunks;
            // Yields soon: on a busy machine a spinning thread would keep the one that works from its core.
            for (int spins = 0; open.load(std::memory_order_acquire) < stage; spins++)
                if (spins > 2000) std::this_thread::yield();
            works[i](stage, ticket % chunks);
            if (done.fetch_add(1) + 1 == (stage + 1) * chunks) {
                finish(stage);
                open.store(stage + 1, std::memory_order_release);
            }
        }
    };
    if (threads < 2) return loop(0);
    ThreadPool* pool = idle_pools().acquire();
    pool->run(threads - 1, loop);
    idle_pools().release(pool);
}
