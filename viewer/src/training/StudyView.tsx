export function StudyView({ run }: { run: string }) { return <p>{run}</p>; }
