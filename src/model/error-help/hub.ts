import { BUG_TODO, type ErrorHelps, RACE_TODO, STOP_TODO } from './entry.ts'

const WAITS =
  'Work that needs the hub waits and is tried anew with growing pauses; nothing counts against any key.'
const LOST = 'All writing stops (exit status 14); nothing is removed.'
const LOST_WHY =
  'Koji never forgets such a thing: prod.hub leads to another Koji, or prod was restored from an old backup.'
const LOST_TODO =
  'See where prod.hub leads (DNS, proxies). After a restore: `catch-up --prod-restored`; see README.'

export const HUB_ERRORS: ErrorHelps = {
  HUB_UNREACHABLE: {
    what: `No connection to prod's hub. ${WAITS}`,
    why: 'The hub or the network is down, the name does not resolve, or its certificate is not trusted.',
    todo: 'Try `curl` on prod.hub from this host as the service user; for an own CA see prod.ca_file.',
  },
  HUB_TIMEOUT: {
    what: `Prod's hub took longer than prod.timeout_seconds. ${WAITS}`,
    why: 'The hub or its database is overloaded, or the answer is very large.',
    todo: 'If it lasts: lower prod.concurrency, raise prod.timeout_seconds, and look at the load of the hub.',
  },
  HUB_ANSWER_CUT: {
    what: `An answer of prod's hub ended in its middle. ${WAITS}`,
    why: 'A proxy or a worker of the web server was restarted, or limits the size or time of answers.',
    todo: 'If it lasts: look at the timeouts of proxies between here and the hub.',
  },
  HUB_HTTP_STATUS: {
    what: `Prod's hub answered with an HTTP error. ${WAITS}`,
    why: 'A proxy has no hub behind it (502 to 504), the address is wrong (404), or access is limited (403, 429).',
    todo: 'The status is in the text. Ask whoever runs the hub about 403 and 429; see prod.requests_per_second.',
  },
  HUB_NOT_XMLRPC: {
    what: `What answers at prod.hub is no XML-RPC. ${WAITS}`,
    why: 'The address is that of the web interface, or a proxy shows a page of its own.',
    todo: "prod.hub must be the hub's own address, ending in /kojihub.",
  },
  HUB_OFFLINE: {
    what: `Prod's hub says that it is offline. ${WAITS}`,
    why: 'Its administrators are at work on it.',
    todo: 'Wait; the daemon goes on by itself.',
  },
  HUB_RETRY: {
    what: `Prod's hub wants to be asked again later. ${WAITS}`,
    why: 'It is overloaded, or switches over.',
    todo: 'Wait; the daemon goes on by itself.',
  },
  HUB_DATABASE: {
    what: `Prod's hub has lost its database. ${WAITS}`,
    why: 'That database is down or is restarted.',
    todo: 'Wait; the daemon goes on by itself.',
  },
  HUB_FAULT: {
    what: "Prod's hub answered a call with a fault. It counts against the key that needed it: backoff, then parked.",
    why: 'Prod has no such thing any more, or the hub has a bug with this one thing.',
    todo: "The method and the hub's own words are in the text; `parked` lists such keys.",
  },
  HUB_ANSWER_INVALID: {
    what: "An answer of prod's hub does not have the shape that Koji's have; it is not used. It counts against the key.",
    why: 'A Koji that is newer than this program knows, or one that was changed.',
    todo: 'Report the method and path that are named, with the version of the hub.',
  },
  HUB_ANSWER_MALFORMED: {
    what: "An answer of prod's hub is no well-formed XML-RPC. It counts against the key.",
    why: 'Some content of this one thing breaks the encoding of the hub.',
    todo: 'Report it with the key; the others go on.',
  },
  HUB_ANSWER_TOO_LARGE: {
    what: 'An answer is larger than is read (128 MiB about a single thing, 1 GiB of history). It counts against the key.',
    why: 'A build or tag of unusual size.',
    todo: 'Report it with the key.',
  },
  HUB_ARGUMENT_INVALID: {
    what: 'A value cannot be sent to the hub, so it was not asked. It counts against the key.',
    why: 'A name with characters that XML cannot hold, usually from a forged message.',
    todo: 'Nothing, unless prod has such a name.',
  },
  HUB_REQUEST_TOO_LARGE: {
    what: 'One single call is larger than the hub reads (4 MiB). It counts against the key.',
    why: 'An absurdly long name, usually from a forged message.',
    todo: 'Nothing, unless prod has such a name.',
  },
  HUB_UNSUPPORTED: {
    what: "Prod's hub is too old for what the key needs. It counts against the key.",
    why: 'Koji before 1.21 lacks calls and arguments.',
    todo: '`doctor` shows the version; 1.21 and newer are supported.',
  },
  HUB_CALL_REFUSED: {
    what: 'The program was about to make a call that is not on the list of harmless ones; it was not made, and all writing stops.',
    why: 'A mistake in the program. Prod is never written.',
    todo: BUG_TODO,
  },
  HUB_TORN: {
    what: 'Prod changed between two calls for one key, so what was read does not fit together.',
    why: 'Somebody works on just that in prod; one request is no snapshot.',
    todo: RACE_TODO,
  },
  HUB_STOPPED: {
    what: 'A request was given up because the daemon or command ends.',
    why: 'A shutdown.',
    todo: STOP_TODO,
  },
  HUB_LOST_BUILD: {
    what: `Prod's hub does not know a build that came from it. ${LOST}`,
    why: LOST_WHY,
    todo: LOST_TODO,
  },
  HUB_LOST_TAG: {
    what: `Prod's hub has never had a tag that came from it. ${LOST}`,
    why: LOST_WHY,
    todo: LOST_TODO,
  },
  HUB_LOST_TARGET: {
    what: `Prod's hub has never had a build target that came from it. ${LOST}`,
    why: LOST_WHY,
    todo: LOST_TODO,
  },
  HUB_LOST_EXTERNAL_REPO: {
    what: `Prod's hub has never had an external repo that came from it. ${LOST}`,
    why: LOST_WHY,
    todo: LOST_TODO,
  },
  PROD_CHANGED: {
    what: `A build by which prod is recognised is another one now. ${LOST}`,
    why: 'prod.hub leads to another Koji, or prod was restored and has given out ids anew.',
    todo: LOST_TODO,
  },
  PROD_WENT_BACK: {
    what: `Prod's newest event is older than what was read before. ${LOST}`,
    why: 'Prod was restored from a backup, or prod.hub leads to another Koji.',
    todo: 'After a restore: `catch-up --prod-restored`; the text names the way. Else mend prod.hub.',
  },
  SAME_DATABASE: {
    what: 'staging.database is the database that prod.hub answers from. Nothing was written.',
    why: 'One of the two settings names the wrong host.',
    todo: 'Mend it. This is the check that saves prod.',
  },
}
