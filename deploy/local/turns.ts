/** More at once only queues for the kernel's one lock on network devices. */
const AT_ONCE = 4

/** Runs `work` for every item, a few at a time; the first failure ends it once what was under way has ended. */
export const inTurns = async <T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> => {
  const rest = items.values()
  const worker = async () => {
    for (const item of rest) await work(item)
  }
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
