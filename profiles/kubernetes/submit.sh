#!/bin/sh
# submit.sh THREADS MEGABYTES SCRIPT: run the job script in a pod that sees this checkout; print the name of its job.
set -eu
: "${BOOK_IMAGE:?name the image of the pods, such as python:3.11}"
: "${BOOK_CLAIM:?name the persistent volume claim (ReadWriteMany) that holds this checkout}"
: "${BOOK_MOUNT:?name the folder at which the volume is mounted, here and in the pods}"
name="cardiac-ml-book-$(date +%s)-$$"
kubectl create -f - >&2 <<MANIFEST
apiVersion: batch/v1
kind: Job
metadata:
  name: $name
  labels: {app: cardiac-ml-book}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 86400
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: run
          image: "$BOOK_IMAGE"
          command: [sh, "$3"]
          workingDir: "$PWD"
          resources:
            requests: {cpu: "$1", memory: "${2}M"}
          volumeMounts:
            - {name: checkout, mountPath: "$BOOK_MOUNT"}
      volumes:
        - name: checkout
          persistentVolumeClaim: {claimName: "$BOOK_CLAIM"}
MANIFEST
echo "$name"
