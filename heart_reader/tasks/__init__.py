"""What is asked of an ECG: the classes of a task, and how records come to be labelled."""
