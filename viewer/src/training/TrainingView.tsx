export function TrainingView({ run }: { run: string }) { return <p>{run}</p>; }
