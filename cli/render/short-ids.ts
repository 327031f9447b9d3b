/** Digits and hyphens of a UUIDv7 up to its time stamp in milliseconds, so that later ids have another prefix. */
const TIME_LENGTH = 13

/** Returns a function that shortens ids to the shortest prefix that is different for each of them. */
export const shortenIds = (ids: readonly string[]): ((id: string) => string) => {
  const distinct = new Set(ids).size
  const longest = Math.max(TIME_LENGTH, ...ids.map((id) => id.length))
  let length = TIME_LENGTH
  while (length < longest && new Set(ids.map((id) => id.slice(0, length))).size < distinct) length++
  return (id) => id.slice(0, length).replace(/-$/, '')
}
