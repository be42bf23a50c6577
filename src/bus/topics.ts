import { TOPIC_NAMES, type TopicLabel, type TopicName } from '../model/topics.ts'

const NAMES: ReadonlySet<string> = new Set(TOPIC_NAMES)

/** `org.fedoraproject.prod.buildsys.`: exactly one dot at the end, so that prefix + name is a topic. */
export function normalisePrefix(topicPrefix: string): string {
  return `${topicPrefix.replace(/\.+$/, '')}.`
}

/**
 * Which of Koji's topics this is: the exact one, for ZeroMQ's subscription is a prefix of bytes and yields `tagged`
 * for `tag`. `environment`: the same topic of another environment (`stg` for `prod`, the word before the last of
 * the prefix). `unknown`: anything else. `prefix` is normalised.
 */
export function classifyTopic(topic: string, prefix: string): TopicName | 'environment' | 'unknown' {
  if (topic.startsWith(prefix)) {
    const name = topic.slice(prefix.length)
    return NAMES.has(name) ? (name as TopicName) : 'unknown'
  }
  const ours = prefix.slice(0, -1).split('.')
  const theirs = topic.split('.')
  const at = ours.length - 2
  const differs = ours.flatMap((word, index) => (word === theirs[index] ? [] : [index]))
  const sameName = NAMES.has(theirs.slice(ours.length).join('.'))
  return sameName && at >= 0 && differs.length === 1 && differs[0] === at ? 'environment' : 'unknown'
}

/** The label of a wire topic; null for one that could not be read. */
export function labelOf(topic: string | null, prefix: string): TopicLabel {
  const found = topic === null ? 'unknown' : classifyTopic(topic, prefix)
  return found === 'environment' ? 'unknown' : found
}
