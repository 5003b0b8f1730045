package atomic_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// connect starts a Redis server and connects to it. Programs connect to theirs.
func connect() (client *redis.Client, stop func()) {
	server, err := redisserver.Start(context.Background())
	if err != nil {
		panic(err) // an example has no test to fail
	}
	client = redis.NewClient(&redis.Options{Addr: server.Addr()})
	return client, func() {
		_ = client.Close()
		_ = server.Close()
	}
}

// Give out three seats, and no more.
func ExampleRecipes_Increment() {
	client, stop := connect()
	defer stop()
	recipes, err := atomic.New(client)
	if err != nil {
		log.Fatal(err)
	}

	for range 4 {
		seat, err := recipes.Increment(context.Background(), "seats", 3)
		switch {
		case errors.Is(err, atomic.ErrLimit):
			fmt.Println("fully booked")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println("seat", seat)
		}
	}
	// Output:
	// seat 1
	// seat 2
	// seat 3
	// fully booked
}

// Queue each page once, however often it is found.
func ExampleRecipes_PushUnique() {
	client, stop := connect()
	defer stop()
	recipes, err := atomic.New(client)
	if err != nil {
		log.Fatal(err)
	}

	for _, page := range []string{"/", "/about", "/"} {
		queued, err := recipes.PushUnique(context.Background(), "to visit", page)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(page, queued)
	}
	// Output:
	// / true
	// /about true
	// / false
}

// Allow each user two requests an hour, and tell them when to come back.
func ExampleRecipes_Hit() {
	client, stop := connect()
	defer stop()
	recipes, err := atomic.New(client)
	if err != nil {
		log.Fatal(err)
	}

	for range 3 {
		window, err := recipes.Hit(context.Background(), "requests:ann", 2, time.Hour)
		if full, ok := errors.AsType[*atomic.LimitError](err); ok {
			fmt.Println("too many requests, retry within", full.RetryAfter.Round(time.Hour))
			return
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Println(window.Remaining, "left")
	}
	// Output:
	// 1 left
	// 0 left
	// too many requests, retry within 1h0m0s
}

// Sell what is in stock. An order that is sent again, as its reply was lost, is not sold twice.
func ExampleRecipes_Reserve() {
	client, stop := connect()
	defer stop()
	recipes, err := atomic.New(client)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := client.Set(ctx, "{shoe}:stock", 5, 0).Err(); err != nil {
		log.Fatal(err)
	}

	order := atomic.Order{Stock: "{shoe}:stock", Log: "{shoe}:orders", ID: "order 17", Quantity: 3}
	for range 2 {
		done, err := recipes.Reserve(ctx, order)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("left:", done.Left, "reserved before:", done.Already)
	}

	order.ID = "order 18"
	_, err = recipes.Reserve(ctx, order)
	if short, ok := errors.AsType[*atomic.ShortError](err); ok {
		fmt.Println("only", short.Left, "left")
	}
	// Output:
	// left: 2 reserved before: false
	// left: 2 reserved before: true
	// only 2 left
}
