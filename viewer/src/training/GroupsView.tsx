export function GroupsView({ run, step }: { run: string; step: number | null }) { return <p>{run} {step}</p>; }
