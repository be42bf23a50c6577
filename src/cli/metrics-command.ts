import { Metrics } from '../telemetry/metrics.ts'

/** docs/metrics.md: every metric of ours with its kind, labels and meaning. */
export async function metricsMarkdown(): Promise<string> {
  const metrics = new Metrics({ version: '', processMetrics: false })
  const all = await metrics.registry.getMetricsAsJSON()
  const rows = all.map(({ name, type, help, values }) => {
    const labels = new Set(
      values.flatMap(({ labels: of }) => Object.keys(of)).filter((label) => label !== 'le'),
    )
    return `| \`${name}\` | ${String(type)} | ${[...labels].map((label) => `\`${label}\``).join(', ')} | ${help} |`
  })
  return `# Metrics

\`run\` serves them on \`http.listen\` at \`/metrics\`. All are there from the start, at zero, with every label value that is known
beforehand; no label grows with builds, tags or messages. Base units; timestamps are seconds since 1970. Beside them those of
the process, as \`kojisync_process_*\` and \`kojisync_nodejs_*\`. Several daemons of one staging tell the same of queue, clashes
and reconcile: take the \`max\`, not the \`sum\`.

Alerts: [config/prometheus/rules.yml](../config/prometheus/rules.yml); a dashboard:
[config/grafana/dashboard.json](../config/grafana/dashboard.json). Made by \`koji-staging-sync metrics\`; do not edit.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}
