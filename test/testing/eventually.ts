/**
 * Polls `look` every 50 ms until `good` accepts what it returns, and returns that. Fails after `seconds` with the last
 * value seen. The default time is generous, so that a busy machine does not make a correct test fail.
 */
export const eventually = async <T>(
  look: () => T | Promise<T>,
  good: (seen: T) => boolean,
  seconds = 60,
): Promise<T> => {
  const end = Date.now() + seconds * 1000
  while (true) {
    const seen = await look()
    if (good(seen)) return seen
    if (Date.now() > end)
      throw new Error(`condition not met after ${seconds} s; last value: ${JSON.stringify(seen)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
