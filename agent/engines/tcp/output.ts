/** Derives the result of a probe from the end of a connection attempt. */

type TcpAnswer =
  | { kind: 'answer' }
  /** The peer sent a reset: it is reachable, and nothing listens. */
  | { kind: 'refused'; reason: string }
  | { kind: 'lost'; reason: string }
  /** This host cannot connect: it lacks the address, or has no free socket. */
  | { kind: 'broken'; reason: string; addressMissing: boolean }

const REASONS: Record<string, TcpAnswer> = {
  ECONNREFUSED: { kind: 'refused', reason: 'connection refused' },
  ECONNRESET: { kind: 'refused', reason: 'connection reset' },
  ENETUNREACH: { kind: 'lost', reason: 'network is unreachable' },
  EHOSTUNREACH: { kind: 'lost', reason: 'no route to host' },
  ENETDOWN: { kind: 'lost', reason: 'network is down' },
  EHOSTDOWN: { kind: 'lost', reason: 'host is down' },
  ETIMEDOUT: { kind: 'lost', reason: '' },
  EACCES: { kind: 'lost', reason: 'administratively prohibited' },
  EPERM: { kind: 'lost', reason: 'not permitted by this node’s own firewall' },
  EADDRNOTAVAIL: {
    kind: 'broken',
    reason: 'no interface has the source address, or its ports are used up',
    addressMissing: true,
  },
}

/** `code` is that of Node's error; undefined for an opened connection. */
export const readConnect = (code: string | undefined): TcpAnswer =>
  code === undefined
    ? { kind: 'answer' }
    : (REASONS[code] ?? { kind: 'broken', reason: `cannot connect: ${code}`, addressMissing: false })
