import { isIP, isIPv4, isIPv6 } from 'node:net'
import { canonicalAddress } from '../../lib/ip-address.ts'

const DEFAULT_AGENT_PORT = 50051

const FORMS = 'write host, host:port or [v6]:port'

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const HOST_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*\\.?$`)
const MAX_HOST_NAME_LENGTH = 253

/** `host` and `:port`, where the host may be in brackets. */
const HOST_PORT = /^(?:\[(?<v6>[^[\]]*)\]|(?<host>[^[\]:]*))(?::(?<port>\d+))?$/

/** What is wrong with characters that no form allows; undefined when there are none. */
const characterProblem = (text: string): string | undefined => {
  const invisible = /[^\x20-\x7e]/u.exec(text)?.[0]
  if (invisible !== undefined) {
    const code = invisible.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
    return `has the character U+${code}, which no host name has`
  }
  if (/["'`]/.test(text)) return 'has a quote; write it without'
  if (text.includes('@')) return `has a user; write ${text.slice(text.lastIndexOf('@') + 1) || 'the host'}`
  if (text.includes('/')) return 'is a network or a URL; write the address without "/"'
  if (text.includes(',')) return 'has several addresses; write one in each entry'
  return undefined
}

const ipv6Problem = (text: string): string | undefined => {
  if (text.includes('%') || /^fe[89ab][0-9a-f]:/i.test(text))
    return 'is a link-local address, which exists on one link only; use a global address, or a unique local one (fd00::/8)'
  return isIPv6(text) ? undefined : `is not an IPv6 address; ${FORMS}`
}

/** In `fd00::1:5201` the last group can be a port or a part of the address. */
const portOfIpv6Problem = (text: string): string | undefined => {
  const match = /^(?<address>.*):(?<port>\d{4,5})$/.exec(text)
  const { address = '', port = '' } = match?.groups ?? {}
  if (!isIPv6(address)) return undefined
  return isIPv6(text)
    ? `is ambiguous: write [${address}]:${port} if ${port} is the port, else [${text}]`
    : `has a port without brackets around the address; write [${address}]:${port}`
}

const hostProblem = (host: string): string | undefined => {
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) return 'is not an IPv4 address'
  if (!HOST_NAME.test(host) || host.length > MAX_HOST_NAME_LENGTH) return `is not an address; ${FORMS}`
  return undefined
}

/** The canonical host: an IPv6 address has several spellings, and a trailing dot does not change a name. */
const canonicalHost = (host: string): string => {
  const bare = host.replace(/\.$/, '')
  if (isIP(bare) === 6) return `[${canonicalAddress(bare)}]`
  return bare
}

export type AgentAddress = { address: string } | { problem: string }

/** Parses `host`, `host:port`, `v6` or `[v6]:port` into `host:port` with the default agent port, or says what is wrong. */
export const parseAgentAddress = (text: string): AgentAddress => {
  const withAddress = (host: string, port: number | string = DEFAULT_AGENT_PORT) => ({
    address: `${canonicalHost(host)}:${port}`,
  })
  const wrong = characterProblem(text)
  if (wrong) return { problem: wrong }
  if (!text.startsWith('[') && text.split(':').length > 2) {
    const problem = portOfIpv6Problem(text) ?? ipv6Problem(text)
    return problem ? { problem } : withAddress(text)
  }
  const { v6, host = '', port } = HOST_PORT.exec(text)?.groups ?? {}
  const problem = v6 === undefined ? hostProblem(host) : ipv6Problem(v6)
  if (problem) return { problem }
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535))
    return { problem: 'has a port that is not 1 to 65535' }
  return withAddress(v6 ?? host, port)
}

/** The same text for all spellings of one address or name: names are equal regardless of case. */
export const addressKey = (address: string): string => address.toLowerCase()

/** The same text for all spellings of the name of a node. */
export const nameKey = (name: string): string => {
  const bare = name.replace(/\.$/, '').toLowerCase()
  return isIP(bare) === 6 ? canonicalAddress(bare) : bare
}
