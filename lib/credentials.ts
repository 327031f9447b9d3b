import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js'

/** PEM files for mutual TLS. */
export type TlsFiles = { ca: string; cert: string; key: string }

/** Mutual TLS or plaintext. Plaintext on addresses other than loopback needs `insecure`. */
export type Security = { tls?: TlsFiles | undefined; insecure?: boolean | undefined }

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** The host of `host:port` or `[v6]:port`. */
export const hostOf = (address: string): string => address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')

/** The reason why plaintext is refused for an address, or undefined when it is allowed. */
export const plaintextProblem = (address: string, security: Security): string | undefined => {
  if (security.tls || security.insecure || isLoopback(hostOf(address))) return undefined
  return `${address} is not a loopback address: give --tls-ca, --tls-cert and --tls-key, or --insecure for plaintext`
}

const read = ({ ca, cert, key }: TlsFiles) => ({
  ca: readFileSync(ca),
  cert: readFileSync(cert),
  key: readFileSync(key),
})

/** Credentials of a server. It refuses clients without a certificate of the same authority. */
export const serverCredentials = ({ tls }: Security): ServerCredentials => {
  if (!tls) return ServerCredentials.createInsecure()
  const { ca, cert, key } = read(tls)
  return ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], true)
}

export const channelCredentials = ({ tls }: Security): ChannelCredentials => {
  if (!tls) return ChannelCredentials.createInsecure()
  const { ca, cert, key } = read(tls)
  return ChannelCredentials.createSsl(ca, key, cert)
}
