package stampede_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/stampede"
)

// A User is what the examples keep.
type User struct{ Name string }

// servers starts a data node and three lock nodes. A program would have their addresses from its settings.
func servers() (data string, locks []string, stop func()) {
	fleet, err := redisserver.StartFleet(context.Background(), 4)
	if err != nil {
		panic(err)
	}
	for _, s := range fleet[1:] {
		locks = append(locks, "redis://"+s.Addr())
	}
	return fleet[0].Addr(), locks, func() {
		for _, s := range fleet {
			s.Close()
		}
	}
}

// An HTTP handler in front of a slow database: a hundred requests for a user that nobody has asked for yet are one
// query.
func Example() {
	data, locks, stop := servers()
	defer stop()

	locker, err := redlock.Open(context.Background(), locks)
	if err != nil {
		log.Fatal(err)
	}
	defer locker.Close()
	client := redis.NewClient(&redis.Options{Addr: data})
	defer client.Close()
	users, err := stampede.New[User](client, locker,
		stampede.WithTTL(time.Minute),
		stampede.WithNegativeTTL(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	var queries atomic.Int64
	query := func(ctx context.Context, _ *stampede.Load) (User, error) { // the slow database
		queries.Add(1)
		select {
		case <-time.After(50 * time.Millisecond):
			return User{Name: "John Doe"}, nil
		case <-ctx.Done():
			return User{}, ctx.Err()
		}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := users.GetOrLoad(r.Context(), "user:"+r.PathValue("id"), query)
		switch {
		case errors.Is(err, stampede.ErrNotFound):
			http.Error(w, "no such user", http.StatusNotFound)
		case err != nil:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			_, _ = fmt.Fprintln(w, user.Value.Name)
		}
	})
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", handler)

	var requests sync.WaitGroup
	var served atomic.Int64
	for range 100 {
		requests.Go(func() {
			answer := httptest.NewRecorder()
			mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/users/1234", http.NoBody))
			if answer.Code == http.StatusOK && answer.Body.String() == "John Doe\n" {
				served.Add(1)
			}
		})
	}
	requests.Wait()
	fmt.Println(served.Load(), "requests served by", queries.Load(), "query")
	// Output: 100 requests served by 1 query
}

// The steps one by one, for a load that is more than a function: LOAD or WAIT, then the value or the failure.
func ExampleCache_Lock() {
	data, locks, stop := servers()
	defer stop()
	ctx := context.Background()

	locker, err := redlock.Open(ctx, locks)
	if err != nil {
		log.Fatal(err)
	}
	defer locker.Close()
	client := redis.NewClient(&redis.Options{Addr: data})
	defer client.Close()
	cache, err := stampede.New[string](client, locker, stampede.WithCodec(stampede.Raw[string]()))
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	decision, claim, err := cache.Lock(ctx, "user:1234", 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("client 1:", decision)
	second, _, err := cache.Lock(ctx, "user:1234", 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("client 2:", second)

	if err := claim.Set(ctx, "John Doe, age 30", time.Minute); errors.Is(err, stampede.ErrFenced) {
		fmt.Println("too late: somebody put or invalidated it meanwhile")
	} else if err != nil {
		log.Fatal(err)
	}
	got, there, err := cache.Get(ctx, "user:1234")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("client 2:", got.Value, there)
	// Output:
	// client 1: LOAD
	// client 2: WAIT
	// client 2: John Doe, age 30 true
}

// One query for all that is missing.
func ExampleCache_GetOrLoadMany() {
	data, locks, stop := servers()
	defer stop()
	ctx := context.Background()

	locker, err := redlock.Open(ctx, locks)
	if err != nil {
		log.Fatal(err)
	}
	defer locker.Close()
	client := redis.NewClient(&redis.Options{Addr: data})
	defer client.Close()
	prices, err := stampede.New[int](client, locker)
	if err != nil {
		log.Fatal(err)
	}
	defer prices.Close()

	if err := prices.Put(ctx, "tea", 3, time.Minute); err != nil {
		log.Fatal(err)
	}
	got, err := prices.GetOrLoadMany(ctx, []string{"tea", "coffee", "milk"},
		func(_ context.Context, loads []*stampede.Load) (map[string]int, error) {
			fmt.Println("one query for", len(loads), "prices")
			return map[string]int{"coffee": 4, "milk": 1}, nil
		})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(got["tea"].Value, got["coffee"].Value, got["milk"].Value)
	// Output:
	// one query for 2 prices
	// 3 4 1
}
